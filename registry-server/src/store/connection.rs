//! What the two databases have in common for whoever runs statements: values go in, rows come out.
//!
//! Statements are files in `sql/`. Those that end in the name of a database are its own, all others are run by both.

use async_trait::async_trait;
use schema_core::SchemaId;

use super::locks::Locks;
use super::{StoreError, rows::StoredRow};

/// A value for a parameter. Both databases store numbers in 64 bits and flags as 0 and 1.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(Option<&'a str>),
    Number(Option<i64>),
    Bytes(&'a [u8]),
}

/// Values for the parameters of a statement, in their order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::connection::Value::from($value)),*] };
}
pub(super) use values;

/// A connection: inside a write's transaction, or of a reader.
#[async_trait]
pub(super) trait Connection: Send {
    type Row: StoredRow;

    /// The statements of this database where the two differ.
    const STATEMENTS: &'static Statements;

    /// The number of the history that the database had when the connection was made. One that cannot be taken back
    /// under its process has one history.
    fn history(&self) -> u64 {
        0
    }

    /// The rows of a statement.
    async fn rows(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Self::Row>, StoreError>;

    /// How many rows a statement wrote.
    async fn execute(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StoreError>;

    /// The row of [`Statements::insert_at_once`] where no transaction is open: the statement is one, which takes these
    /// locks first where other processes write, too. `None`: nothing was done.
    ///
    /// # Errors
    ///
    /// It may be done or not.
    async fn insert_alone(
        &mut self,
        operation: &'static str,
        values: &[Value<'_>],
        _locks: &Locks,
    ) -> Result<Option<Self::Row>, StoreError> {
        self.first_row(operation, Self::STATEMENTS.insert_at_once, values).await
    }

    /// Statements without parameters that steer a transaction, in one round trip.
    async fn control(&mut self, statements: &'static str) -> Result<(), StoreError>;

    /// Makes the plans anew that the database keeps of earlier statements: its tables may have been empty then.
    async fn plan_anew(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The id that follows the last one of a context. `None` where another node may take it before this write does:
    /// then the statement that writes the content takes the next one, and has no row and no effect when there is none.
    fn next_id(last_id: SchemaId) -> Option<SchemaId>;

    /// The row of a statement that has one.
    async fn row(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Self::Row, StoreError> {
        let row = self.optional_row(operation, statement, values).await?;
        row.ok_or_else(|| StoreError::corrupt(operation, "a row is missing that is always there"))
    }

    /// The row of a statement that has at most one.
    async fn optional_row(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Self::Row>, StoreError> {
        Ok(self.rows(operation, statement, values).await?.into_iter().next())
    }

    /// As [`Self::optional_row`], for statements of which nothing can fail that comes behind the row.
    async fn first_row(
        &mut self,
        operation: &'static str,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Self::Row>, StoreError> {
        self.optional_row(operation, statement, values).await
    }
}

/// Statements that do the same in both databases and read differently.
#[derive(Debug)]
pub(super) struct Statements {
    /// Takes the number of a new change.
    pub(super) raise_change: &'static str,
    /// Raises the revision of a subject; makes its row, and its context's, when they are not there.
    pub(super) raise_subject: &'static str,
    /// All of a simple insert.
    pub(super) insert_at_once: &'static str,
    /// What an insert decides on.
    pub(super) select_insert_state: &'static str,
    /// Writes a content, and a version of it with a number that is free. Answers the id; so do the three that follow.
    pub(super) insert_content_and_version: &'static str,
    /// Writes a content, and makes a version one of it.
    pub(super) insert_content_and_replace_version: &'static str,
    /// Writes a version with a number that is free, of a content that is there.
    pub(super) insert_version: &'static str,
    /// Makes a version one of a content that is there.
    pub(super) replace_version: &'static str,
    /// Prefers another id where that of a content that nothing uses any more is preferred, of those in a list.
    pub(super) prefer_remaining_ids: &'static str,
    /// Removes the contents of a list of ids that nothing uses any more.
    pub(super) remove_unused_schemas: &'static str,
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(Some(i64::from(number)))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Number(Some(i64::from(flag)))
    }
}

impl From<Option<bool>> for Value<'_> {
    fn from(flag: Option<bool>) -> Self {
        Self::Number(flag.map(i64::from))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}
