//! Inserting a version, if the decision still stands.

use async_trait::async_trait;
use schema_core::{SchemaId, Version};
use sqlx::SqliteConnection;

use super::super::super::{Inserted, NewVersion, Revision, StoreError, StoreErrorKind};
use super::super::failure::failed;
use super::super::revisions::Changes;
use super::super::rows::{stored_u32, stored_u64};
use super::super::writer::Write;
use super::{check_names, raise_subject};

const OPERATION: &str = "insert a version";

/// Ids and versions are Java's signed 32-bit numbers on the wire.
const NUMBER_MAX: u32 = i32::MAX.unsigned_abs();

/// [`insert_version`](super::super::super::Store::insert_version).
pub(in super::super) struct Insert {
    new: NewVersion,
}

/// What the transaction finds.
struct State {
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
        let (global, context, subject, last_id, preferred_id, last_version): (i64, i64, i64, i64, Option<i64>, i64) =
            sqlx::query_as(include_str!("../../sql/select_insert_state.sql"))
                .bind(&*self.new.subject.context)
                .bind(&*self.new.subject.subject)
                .bind(self.new.dedup_key.as_slice())
                .fetch_one(connection)
                .await
                .map_err(failed(OPERATION))?;
        Ok(State {
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

    /// Keeps a content that the context has not seen.
    async fn insert_schema(&self, connection: &mut SqliteConnection, id: u32) -> Result<(), StoreError> {
        let new = &self.new;
        sqlx::query(include_str!("../../sql/insert_schema.sql"))
            .bind(&*new.subject.context)
            .bind(i64::from(id))
            .bind(new.schema_type.as_str())
            .bind(new.guid.as_slice())
            .bind(new.dedup_key.as_slice())
            .bind(&*new.text)
            .execute(&mut *connection)
            .await
            .map_err(failed(OPERATION))?;
        sqlx::query(include_str!("../../sql/insert_preferred_id.sql"))
            .bind(&*new.subject.context)
            .bind(new.dedup_key.as_slice())
            .bind(i64::from(id))
            .execute(&mut *connection)
            .await
            .map_err(failed(OPERATION))?;
        sqlx::query(include_str!("../../sql/set_last_id.sql"))
            .bind(&*new.subject.context)
            .bind(i64::from(id))
            .execute(&mut *connection)
            .await
            .map_err(failed(OPERATION))?;
        Ok(())
    }
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

        let version = next_number(state.last_version, "version of the subject")?;
        raise_subject(OPERATION, &mut *connection, changes, &self.new.subject).await?;
        let id = match state.preferred_id {
            Some(id) => id,
            None => {
                let id = next_number(state.last_id, "id of the context")?;
                self.insert_schema(&mut *connection, id).await?;
                id
            }
        };
        sqlx::query(include_str!("../../sql/insert_version.sql"))
            .bind(&*self.new.subject.context)
            .bind(&*self.new.subject.subject)
            .bind(i64::from(version))
            .bind(i64::from(id))
            .bind(self.new.timestamp_ms)
            .execute(connection)
            .await
            .map_err(failed(OPERATION))?;
        Ok(Inserted::Written { id: SchemaId(id), version: Version(version) })
    }
}

fn next_number(last: u32, what: &str) -> Result<u32, StoreError> {
    if last >= NUMBER_MAX {
        let reason = format!("the last {what}, {NUMBER_MAX}, has been given");
        return Err(StoreError::new(OPERATION, StoreErrorKind::Invalid, reason));
    }
    Ok(last + 1)
}
