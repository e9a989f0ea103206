//! Inserting a version, if the decision still stands.

use async_trait::async_trait;
use schema_core::{SchemaId, Version};
use sqlx::SqliteConnection;

use super::super::super::{Inserted, NewVersion, Revision, StoreError, StoreErrorKind};
use super::super::failure::{corrupt, failed};
use super::super::revisions::Changes;
use super::super::rows::{stored_u32, stored_u64};
use super::super::writer::Write;
use super::check_names;

const OPERATION: &str = "insert a version";

/// Ids and versions are Java's signed 32-bit numbers on the wire.
const NUMBER_MAX: u32 = i32::MAX.unsigned_abs();

/// [`insert_version`](super::super::super::Store::insert_version).
pub(in super::super) struct Insert {
    new: NewVersion,
}

/// Last change; revisions, global, context's and subject's; last id, preferred id, last version.
type StateRow = (i64, i64, i64, i64, i64, Option<i64>, i64);

/// What the transaction finds.
struct State {
    last_change: u64,
    revision: Revision,
    last_id: u32,
    preferred_id: Option<u32>,
    last_version: u32,
}

impl Insert {
    pub(in super::super) fn new(new: NewVersion) -> Result<Self, StoreError> {
        check_names(OPERATION, &new.subject.context, &new.subject.subject)?;
        Ok(Self { new })
    }

    async fn state(&self, connection: &mut SqliteConnection) -> Result<State, StoreError> {
        let (last_change, global, context, subject, last_id, preferred_id, last_version): StateRow =
            sqlx::query_as(include_str!("../../sql/select_insert_state.sql"))
                .bind(&*self.new.subject.context)
                .bind(&*self.new.subject.subject)
                .bind(self.new.dedup_key.as_slice())
                .fetch_one(connection)
                .await
                .map_err(failed(OPERATION))?;
        Ok(State {
            last_change: stored_u64(OPERATION, last_change)?,
            revision: Revision {
                subject: stored_u64(OPERATION, subject)?,
                context: stored_u64(OPERATION, context)?,
                global: stored_u64(OPERATION, global)?,
            },
            last_id: stored_u32(OPERATION, last_id)?,
            preferred_id: preferred_id.map(|id| stored_u32(OPERATION, id)).transpose()?,
            last_version: stored_u32(OPERATION, last_version)?,
        })
    }

    /// Writes the rows, and the content's when it is new, in one round trip to the connection's thread.
    async fn write(&self, connection: &mut SqliteConnection, rows: &Rows) -> Result<(), StoreError> {
        let new = &self.new;
        let statements = if rows.is_new_content {
            concat!(
                include_str!("../../sql/insert_content_sqlite.sql"),
                include_str!("../../sql/insert_version_sqlite.sql")
            )
        } else {
            include_str!("../../sql/insert_version_sqlite.sql")
        };
        let mut query = sqlx::query(statements)
            .bind(&*new.subject.context)
            .bind(&*new.subject.subject)
            .bind(rows.change)
            .bind(i64::from(rows.version))
            .bind(i64::from(rows.id))
            .bind(new.timestamp_ms);
        if rows.is_new_content {
            query = query
                .bind(new.schema_type.as_str())
                .bind(new.guid.as_slice())
                .bind(new.dedup_key.as_slice())
                .bind(&*new.text);
        }
        query.execute(connection).await.map_err(failed(OPERATION))?;
        Ok(())
    }
}

/// What is written beside the content.
struct Rows {
    change: i64,
    version: u32,
    id: u32,
    is_new_content: bool,
}

#[async_trait]
impl Write for Insert {
    type Output = Inserted;

    const OPERATION: &'static str = OPERATION;

    async fn apply(&self, connection: &mut SqliteConnection, changes: &mut Changes) -> Result<Inserted, StoreError> {
        let state = self.state(&mut *connection).await?;
        if state.revision != self.new.decided_on {
            return Ok(Inserted::Moved);
        }

        // There is one writer: what follows the last number is free.
        let change = state.last_change + 1;
        let rows = Rows {
            change: i64::try_from(change).map_err(|_| corrupt(OPERATION, "the number of changes has run out"))?,
            version: next_number(state.last_version, "version of the subject")?,
            id: match state.preferred_id {
                Some(id) => id,
                None => next_number(state.last_id, "id of the context")?,
            },
            is_new_content: state.preferred_id.is_none(),
        };
        self.write(connection, &rows).await?;
        changes.numbered(change);
        changes.subject(self.new.subject.clone(), change);
        Ok(Inserted::Written { id: SchemaId(rows.id), version: Version(rows.version) })
    }
}

fn next_number(last: u32, what: &str) -> Result<u32, StoreError> {
    if last >= NUMBER_MAX {
        let reason = format!("the last {what}, {NUMBER_MAX}, has been given");
        return Err(StoreError::new(OPERATION, StoreErrorKind::Invalid, reason));
    }
    Ok(last + 1)
}
