//! Table tests of the public API.

mod compatibility;
