//! Inserting a version, if the decision still stands.

use async_trait::async_trait;
use schema_core::{SchemaId, Version};
use sqlx::SqliteConnection;

use super::super::super::{
    Inserted, NewId, NewNumber, NewReference, NewVersion, Revision, StoreError, StoreErrorKind, SubjectKey,
};
use super::super::failure::{corrupt, failed};
use super::super::revisions::Changes;
use super::super::rows::{self, Narrowest};
use super::super::writer::Write;
use super::remove::{count_versions, remove_if_unused};
use super::{check_names, schema_id};

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
    last_change: u64,
    last_id: u32,
    preferred_id: Option<SchemaId>,
    last_version: u32,
}

/// What is written.
struct Plan {
    change: u64,
    id: SchemaId,
    content: Content,
    version: Version,
    /// The version that had the number, by its id.
    replaces: Option<i64>,
}

/// What becomes of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// The id holds it and is preferred for it.
    Known,
    /// The id holds it; from now on it is preferred for it.
    Preferred,
    /// The id does not hold it yet.
    New,
}

impl Insert {
    pub(in super::super) fn new(new: NewVersion) -> Result<Self, StoreError> {
        check_names(OPERATION, &new.subject.context, &new.subject.subject)?;
        let given_id = if let NewId::Given(id) = new.id { id.0 } else { 0 };
        let given_version = if let NewNumber::Given(version) = new.version { version.0 } else { 1 };
        if given_id > NUMBER_MAX || given_version == 0 || given_version > NUMBER_MAX {
            let reason = format!("id {given_id} and version {given_version} are not both numbers up to {NUMBER_MAX}");
            return Err(StoreError::new(OPERATION, StoreErrorKind::Invalid, reason));
        }
        Ok(Self { new })
    }

    async fn state(&self, connection: &mut SqliteConnection) -> Result<State, StoreError> {
        let row = sqlx::query(include_str!("../../sql/select_insert_state.sql"))
            .bind(&*self.new.subject.context)
            .bind(&*self.new.subject.subject)
            .bind(self.new.dedup_key.as_slice())
            .fetch_one(connection)
            .await
            .map_err(failed(OPERATION))?;
        let preferred_id: Option<i64> = rows::column(OPERATION, &row, 6)?;
        Ok(State {
            revision: rows::revision(OPERATION, &row, Narrowest::Subject)?,
            last_change: rows::counter(OPERATION, &row, 4)?,
            last_id: rows::id(OPERATION, &row, 5)?.0,
            preferred_id: preferred_id.map(|id| schema_id(OPERATION, id)).transpose()?,
            last_version: rows::version(OPERATION, &row, 7)?.0,
        })
    }

    /// Whether each reference still means what the decision looked at.
    async fn targets_stand(&self, connection: &mut SqliteConnection) -> Result<bool, StoreError> {
        for NewReference { reference, target_id } in &self.new.references {
            let id: Option<i64> = sqlx::query_scalar(include_str!("../../sql/select_target.sql"))
                .bind(&*reference.target.context)
                .bind(&*reference.target.subject)
                .bind(i64::from(reference.version.0))
                .fetch_optional(&mut *connection)
                .await
                .map_err(failed(OPERATION))?;
            if id != Some(i64::from(target_id.0)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn plan(
        &self,
        connection: &mut SqliteConnection,
        state: &State,
    ) -> Result<Result<Plan, Inserted>, StoreError> {
        let (id, content) = match (self.new.id, state.preferred_id) {
            (NewId::Next, Some(id)) => (id, Content::Known),
            (NewId::Next, None) => (SchemaId(next_number(state.last_id, "id of the context")?), Content::New),
            (NewId::Given(id), preferred) => match self.given_id(&mut *connection, id).await? {
                Holds::Nothing => (id, Content::New),
                Holds::Another => return Ok(Err(Inserted::IdTaken)),
                Holds::This if preferred == Some(id) => (id, Content::Known),
                Holds::This => (id, Content::Preferred),
            },
        };
        let (version, replaces) = match self.new.version {
            NewNumber::Next => (Version(next_number(state.last_version, "version of the subject")?), None),
            NewNumber::Given(version) => {
                let replaces = self.given_version(&mut *connection, version).await?;
                let other = replaces.is_some_and(|old| old != i64::from(id.0));
                if other && is_referenced(&mut *connection, &self.new.subject, version).await? {
                    return Ok(Err(Inserted::Referenced { version }));
                }
                (version, replaces)
            }
        };
        // There is one writer: what follows the last number is free.
        Ok(Ok(Plan { change: state.last_change + 1, id, content, version, replaces }))
    }

    async fn given_id(&self, connection: &mut SqliteConnection, id: SchemaId) -> Result<Holds, StoreError> {
        let held: Option<Vec<u8>> = sqlx::query_scalar(include_str!("../../sql/select_dedup_key.sql"))
            .bind(&*self.new.subject.context)
            .bind(i64::from(id.0))
            .fetch_optional(connection)
            .await
            .map_err(failed(OPERATION))?;
        Ok(match held {
            None => Holds::Nothing,
            Some(key) if key == self.new.dedup_key => Holds::This,
            Some(_) => Holds::Another,
        })
    }

    /// The id of the version that has a given number.
    async fn given_version(
        &self,
        connection: &mut SqliteConnection,
        version: Version,
    ) -> Result<Option<i64>, StoreError> {
        sqlx::query_scalar(include_str!("../../sql/select_version_id.sql"))
            .bind(&*self.new.subject.context)
            .bind(&*self.new.subject.subject)
            .bind(i64::from(version.0))
            .fetch_optional(connection)
            .await
            .map_err(failed(OPERATION))
    }

    /// Writes the rows, and the content's when it is new, in one round trip to the connection's thread.
    async fn write(&self, connection: &mut SqliteConnection, plan: &Plan) -> Result<(), StoreError> {
        let new = &self.new;
        let change = i64::try_from(plan.change).map_err(|_| corrupt(OPERATION, "the number of changes has run out"))?;
        let statements = match (plan.replaces, plan.content) {
            (Some(_), Content::New) => {
                concat!(
                    include_str!("../../sql/insert_content_sqlite.sql"),
                    include_str!("../../sql/replace_version_sqlite.sql")
                )
            }
            (Some(_), _) => include_str!("../../sql/replace_version_sqlite.sql"),
            (None, Content::New) => {
                concat!(
                    include_str!("../../sql/insert_content_sqlite.sql"),
                    include_str!("../../sql/insert_version_sqlite.sql")
                )
            }
            (None, _) => include_str!("../../sql/insert_version_sqlite.sql"),
        };
        let mut query = sqlx::query(statements)
            .bind(&*new.subject.context)
            .bind(&*new.subject.subject)
            .bind(change)
            .bind(i64::from(plan.version.0))
            .bind(i64::from(plan.id.0))
            .bind(new.timestamp_ms);
        if plan.content == Content::New {
            query = query
                .bind(new.schema_type.as_str())
                .bind(new.guid.as_slice())
                .bind(new.dedup_key.as_slice())
                .bind(&*new.text)
                .bind(new.metadata.as_deref())
                .bind(new.rule_set.as_deref());
        }
        query.execute(&mut *connection).await.map_err(failed(OPERATION))?;
        match plan.content {
            Content::Known => Ok(()),
            Content::Preferred => self.prefer(connection, plan.id).await,
            Content::New => self.write_references(connection, plan.id).await,
        }
    }

    async fn write_references(&self, connection: &mut SqliteConnection, id: SchemaId) -> Result<(), StoreError> {
        for (NewReference { reference, .. }, position) in self.new.references.iter().zip(0_i64..) {
            sqlx::query(include_str!("../../sql/insert_reference.sql"))
                .bind(&*self.new.subject.context)
                .bind(i64::from(id.0))
                .bind(position)
                .bind(&*reference.name)
                .bind(&*reference.subject)
                .bind(&*reference.target.context)
                .bind(&*reference.target.subject)
                .bind(i64::from(reference.version.0))
                .execute(&mut *connection)
                .await
                .map_err(failed(OPERATION))?;
        }
        Ok(())
    }

    async fn prefer(&self, connection: &mut SqliteConnection, id: SchemaId) -> Result<(), StoreError> {
        sqlx::query(include_str!("../../sql/prefer_id.sql"))
            .bind(&*self.new.subject.context)
            .bind(self.new.dedup_key.as_slice())
            .bind(i64::from(id.0))
            .execute(connection)
            .await
            .map_err(failed(OPERATION))?;
        Ok(())
    }

    /// Takes away what the new version stands for now: older soft-deleted ones of its content, and a content that only
    /// the version had that it replaces. Answers whether any version went.
    async fn tidy(
        &self,
        connection: &mut SqliteConnection,
        changes: &mut Changes,
        plan: &Plan,
    ) -> Result<bool, StoreError> {
        let key = &self.new.subject;
        let mut must_count = plan.replaces.is_some();
        if plan.content != Content::New {
            let removed = sqlx::query(include_str!("../../sql/remove_older_versions.sql"))
                .bind(&*key.context)
                .bind(&*key.subject)
                .bind(i64::from(plan.id.0))
                .bind(i64::from(plan.version.0))
                .execute(&mut *connection)
                .await
                .map_err(failed(OPERATION))?;
            must_count |= removed.rows_affected() > 0;
        }
        if let Some(old) = plan.replaces {
            remove_if_unused(OPERATION, &mut *connection, &key.context, old).await?;
            changes.uses(&key.context, schema_id(OPERATION, old)?);
        }
        if must_count {
            count_versions(OPERATION, connection, key).await?;
        }
        Ok(must_count)
    }
}

/// What a given id holds.
enum Holds {
    Nothing,
    This,
    Another,
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
        let plan = match self.plan(&mut *connection, &state).await? {
            Ok(plan) => plan,
            Err(refused) => return Ok(refused),
        };
        // What the context has already keeps its targets in place, soft-deleted or not.
        if plan.content == Content::New && !self.targets_stand(&mut *connection).await? {
            return Ok(Inserted::Moved);
        }

        self.write(&mut *connection, &plan).await?;
        let has_removed = self.tidy(connection, changes, &plan).await?;
        changes.numbered(plan.change);
        changes.subject(self.new.subject.clone(), plan.change);
        changes.uses(&self.new.subject.context, plan.id);
        let is_last = plan.version.0 > state.last_version;
        let appended = (is_last && !has_removed).then_some(plan.change);
        Ok(Inserted::Written { id: plan.id, version: plan.version, appended })
    }
}

async fn is_referenced(
    connection: &mut SqliteConnection,
    subject: &SubjectKey,
    version: Version,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(include_str!("../../sql/is_referenced.sql"))
        .bind(&*subject.context)
        .bind(&*subject.subject)
        .bind(i64::from(version.0))
        .fetch_one(connection)
        .await
        .map_err(failed(OPERATION))
}

fn next_number(last: u32, what: &str) -> Result<u32, StoreError> {
    if last >= NUMBER_MAX {
        let reason = format!("the last {what}, {NUMBER_MAX}, has been given");
        return Err(StoreError::new(OPERATION, StoreErrorKind::Invalid, reason));
    }
    Ok(last + 1)
}
