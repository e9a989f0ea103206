//! Tests with the shell of SQLite, which reads a registry's file as its operators do.

mod guide;
