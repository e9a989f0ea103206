//! Inserting a version, if the decision still stands.

use async_trait::async_trait;
use schema_core::{SchemaId, Version};

use super::super::changes::Changes;
use super::super::connection::{Connection, values};
use super::super::locks::Locks;
use super::super::mutants::{self, Mutant};
use super::super::rows::{self, StoredRow as _, stored_u64};
use super::super::{Inserted, NewId, NewNumber, NewVersion, Revision, StoreError, StoreErrorKind, SubjectKey, Target};
use super::remove::{count_versions, remove_unused};
use super::{NUMBER_MAX, Write, check_names, schema_id};

const OPERATION: &str = "insert a version";

/// [`insert_version`](super::super::super::Store::insert_version).
pub(in super::super) struct Insert {
    new: NewVersion,
}

/// How many of the values of `write` a version needs; the others are its content's.
const VERSION_VALUES: usize = 6;

/// What the transaction finds.
struct State {
    revision: Revision,
    /// The number of this change.
    change: i64,
    last_id: SchemaId,
    preferred_id: Option<SchemaId>,
    last_version: Version,
}

/// What is written.
struct Plan {
    change: i64,
    /// `None`: the next one of the context.
    id: Option<SchemaId>,
    content: ContentChange,
    version: Version,
    /// The version that had the number, by its id.
    replaces: Option<SchemaId>,
}

/// What becomes of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContentChange {
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

    /// Whether the next version of one content is all that is asked for.
    fn is_simple(&self) -> bool {
        let new = &self.new;
        new.id == NewId::Next
            && new.version == NewNumber::Next
            && new.references.is_empty()
            && !mutants::has_steps_alone()
    }

    /// Does it by one statement, if it is simple, and notes in `changes` what moved; with the locks that are to be
    /// taken where no transaction is open. `None`: nothing was done.
    async fn insert_at_once<C: Connection>(
        &self,
        connection: &mut C,
        changes: &mut Changes,
        locks: Option<&Locks>,
    ) -> Result<Option<Inserted>, StoreError> {
        if !self.is_simple() {
            return Ok(None);
        }
        let new = &self.new;
        let Revision { history, subject, context, default_context, global } = new.decided_on;
        if history != connection.history() {
            return Ok(Some(Inserted::Moved));
        }
        // What is too large to be stored is no revision that stands.
        let counter = |counter: u64| i64::try_from(counter).unwrap_or(-1);
        let values = values![
            &*new.subject.context,
            &*new.subject.subject,
            new.dedup_key.as_slice(),
            counter(global),
            counter(default_context),
            counter(context),
            counter(subject),
            new.timestamp_ms,
            new.schema_type.as_str(),
            new.guid.as_slice(),
            &*new.text,
            new.metadata.as_deref(),
            new.rule_set.as_deref(),
        ];
        let row = match locks {
            Some(locks) => connection.insert_alone(OPERATION, values, locks).await?,
            None => {
                let statement = mutants::insert_at_once(C::STATEMENTS.insert_at_once);
                connection.first_row(OPERATION, statement, values).await?
            }
        };
        let Some(row) = row else { return Ok(None) };
        if row.number(OPERATION, 0)?.is_none() {
            return Ok(Some(Inserted::Moved));
        }
        let (change, id) = (rows::counter(OPERATION, &row, 0)?, rows::id(OPERATION, &row, 2)?);
        changes.numbered(change);
        changes.subject(new.subject.clone(), change);
        // An id that nobody has seen has no uses that anybody remembers.
        if !rows::flag(OPERATION, &row, 3)? {
            changes.uses(&new.subject.context, id);
        }
        Ok(Some(Inserted::Written { id, version: rows::version(OPERATION, &row, 1)?, appended: Some(change) }))
    }

    async fn state<C: Connection>(&self, connection: &mut C) -> Result<State, StoreError> {
        let subject = &self.new.subject;
        let content = (self.new.dedup_key.as_slice(), self.new.guid.as_slice());
        let looked_at = values![&*subject.context, &*subject.subject, content.0, content.1];
        let row = connection.row(OPERATION, C::STATEMENTS.select_insert_state, looked_at).await?;
        let preferred_id = row.number(OPERATION, 6)?;
        Ok(State {
            revision: rows::revision(OPERATION, &row, 0, connection.history())?,
            change: rows::number(OPERATION, &row, 4)?,
            last_id: rows::id(OPERATION, &row, 5)?,
            preferred_id: preferred_id.map(|id| schema_id(OPERATION, id)).transpose()?,
            last_version: rows::version(OPERATION, &row, 7)?,
        })
    }

    /// Whether the references, and those behind them, still mean what the decision looked at. What is imported, and
    /// what the context has already, may lean on what is soft-deleted.
    ///
    /// Invariant: what a version leads to does not change while the version is locked, though only the subjects of this
    /// write's own references are. The version keeps its content, that its references, and a version that is referred
    /// to is neither removed nor replaced (`blocked`, `is_referenced`, the foreign key), so the same holds for each
    /// behind it.
    async fn targets_stand(&self, connection: &mut impl Connection, is_known: bool) -> Result<bool, StoreError> {
        let wants_live_ones = !is_known && self.new.id == NewId::Next;
        for Target { subject, version, dedup_key } in &self.new.targets {
            let place = values![&*subject.context, &*subject.subject, version.0];
            let found = connection.optional_row(OPERATION, include_str!("../sql/select_target.sql"), place).await?;
            let Some(row) = found else { return Ok(false) };
            let is_own = || self.new.references.iter().any(|own| own.leads_to(subject, *version));
            let is_as_it_was = rows::hash(OPERATION, &row, 0, "dedup key")? == *dedup_key;
            if !is_as_it_was || (wants_live_ones && rows::flag(OPERATION, &row, 1)? && is_own()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn plan(
        &self,
        connection: &mut impl Connection,
        state: &State,
    ) -> Result<Result<Plan, Inserted>, StoreError> {
        let (id, content) = match (self.new.id, state.preferred_id) {
            (NewId::Next, Some(id)) => (Some(id), ContentChange::Known),
            (NewId::Next, None) => (None, ContentChange::New),
            (NewId::Given(id), preferred) => match self.given_id(connection, id).await? {
                Holds::Nothing => (Some(id), ContentChange::New),
                Holds::Another => return Ok(Err(Inserted::IdTaken)),
                Holds::This if preferred == Some(id) => (Some(id), ContentChange::Known),
                Holds::This => (Some(id), ContentChange::Preferred),
            },
        };
        let is_known = content != ContentChange::New || state.preferred_id.is_some();
        if !self.targets_stand(connection, is_known).await? {
            return Ok(Err(Inserted::Moved));
        }
        let (version, replaces) = match self.new.version {
            NewNumber::Next if state.last_version.0 >= NUMBER_MAX => return Ok(Err(Inserted::VersionsUsedUp)),
            NewNumber::Next => (Version(state.last_version.0 + 1), None),
            NewNumber::Given(version) => {
                let replaces = self.given_version(connection, version).await?;
                let other = replaces.is_some_and(|old| id != Some(old));
                if other
                    && (self.new.references.iter().any(|own| own.leads_to(&self.new.subject, version))
                        || is_referenced(connection, &self.new.subject, version).await?)
                {
                    return Ok(Err(Inserted::Referenced { version }));
                }
                (version, replaces)
            }
        };
        Ok(Ok(Plan { change: state.change, id, content, version, replaces }))
    }

    async fn given_id(&self, connection: &mut impl Connection, id: SchemaId) -> Result<Holds, StoreError> {
        let place = values![&*self.new.subject.context, id.0];
        let found = connection.optional_row(OPERATION, include_str!("../sql/select_dedup_key.sql"), place).await?;
        let held = found.map(|row| rows::hash(OPERATION, &row, 0, "dedup key")).transpose()?;
        Ok(match held {
            None => Holds::Nothing,
            Some(key) if key == self.new.dedup_key => Holds::This,
            Some(_) => Holds::Another,
        })
    }

    /// The id of the version that has a given number.
    async fn given_version(
        &self,
        connection: &mut impl Connection,
        version: Version,
    ) -> Result<Option<SchemaId>, StoreError> {
        let place = values![&*self.new.subject.context, &*self.new.subject.subject, version.0];
        let found = connection.optional_row(OPERATION, include_str!("../sql/select_version_id.sql"), place).await?;
        found.map(|row| rows::id(OPERATION, &row, 0)).transpose()
    }

    /// Writes the rows, and the content's when it is new, in one round trip; the content's id. `None`: the context has
    /// none left to give, and nothing was written.
    async fn write<C: Connection>(
        &self,
        connection: &mut C,
        plan: &Plan,
        last_id: SchemaId,
    ) -> Result<Option<SchemaId>, StoreError> {
        let new = &self.new;
        let id = plan.id.or_else(|| C::next_id(last_id));
        if id.is_some_and(|id| id.0 > NUMBER_MAX) {
            return Ok(None);
        }
        let statement = match (plan.replaces, plan.content) {
            (Some(_), ContentChange::New) => C::STATEMENTS.insert_content_and_replace_version,
            (Some(_), _) => C::STATEMENTS.replace_version,
            (None, ContentChange::New) => C::STATEMENTS.insert_content_and_version,
            (None, _) => C::STATEMENTS.insert_version,
        };
        let values = values![
            &*new.subject.context,
            &*new.subject.subject,
            plan.change,
            plan.version.0,
            id.map(|id| i64::from(id.0)),
            new.timestamp_ms,
            new.schema_type.as_str(),
            new.guid.as_slice(),
            new.dedup_key.as_slice(),
            &*new.text,
            new.metadata.as_deref(),
            new.rule_set.as_deref(),
        ];
        let values = if plan.content == ContentChange::New { values } else { &values[..VERSION_VALUES] };
        let written = connection.optional_row(OPERATION, statement, values).await?;
        let Some(written) = written else { return Ok(None) };
        let id = rows::id(OPERATION, &written, 0)?;
        match plan.content {
            ContentChange::Known => {}
            ContentChange::Preferred => self.prefer(connection, id).await?,
            ContentChange::New => self.write_references(connection, id).await?,
        }
        Ok(Some(id))
    }

    async fn write_references(&self, connection: &mut impl Connection, id: SchemaId) -> Result<(), StoreError> {
        for (reference, position) in self.new.references.iter().zip(0_i64..) {
            let values = values![
                &*self.new.subject.context,
                id.0,
                position,
                &*reference.name,
                &*reference.subject,
                &*reference.target.context,
                &*reference.target.subject,
                reference.version.0,
            ];
            connection.execute(OPERATION, include_str!("../sql/insert_reference.sql"), values).await?;
        }
        Ok(())
    }

    async fn prefer(&self, connection: &mut impl Connection, id: SchemaId) -> Result<(), StoreError> {
        let values = values![&*self.new.subject.context, self.new.dedup_key.as_slice(), id.0];
        connection.execute(OPERATION, include_str!("../sql/prefer_id.sql"), values).await?;
        Ok(())
    }

    /// Takes away what the new version stands for now: older soft-deleted ones of its content, and a content that only
    /// the version had that it replaces. Answers whether any version went.
    async fn tidy(
        &self,
        connection: &mut impl Connection,
        changes: &mut Changes,
        plan: &Plan,
        id: SchemaId,
    ) -> Result<bool, StoreError> {
        let key = &self.new.subject;
        let mut must_count = plan.replaces.is_some();
        if plan.content != ContentChange::New {
            let statement = include_str!("../sql/remove_older_versions.sql");
            let place = values![&*key.context, &*key.subject, id.0, plan.version.0];
            must_count |= connection.execute(OPERATION, statement, place).await? > 0;
        }
        if let Some(old) = plan.replaces {
            remove_unused(OPERATION, connection, &key.context, &[i64::from(old.0)]).await?;
            changes.uses(&key.context, old);
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

    fn context(&self) -> &str {
        &self.new.subject.context
    }

    fn lock(&self, locks: &mut Locks) {
        let Self { new } = self;
        if mutants::has(Mutant::NumberWithoutTheLock) {
            return;
        }
        locks.change_subject(&new.subject);
        locks.change_content(&new.subject.context, &new.dedup_key);
        if !mutants::has(Mutant::ReferenceWithoutTheLock) {
            for reference in &*new.references {
                locks.refer_to(&reference.target);
            }
        }
        // An import may take any id, and take contents away with the version that it replaces.
        if new.id != NewId::Next || new.version != NewNumber::Next {
            locks.change_context(&new.subject.context);
        }
    }

    async fn apply_at_once<C: Connection>(
        &self,
        connection: &mut C,
        changes: &mut Changes,
    ) -> Result<Option<Inserted>, StoreError> {
        let mut locks = Locks::default();
        if !mutants::has(Mutant::LoneWriteUnlocked) {
            self.lock(&mut locks);
        }
        self.insert_at_once(connection, changes, Some(&locks)).await
    }

    async fn apply<C: Connection>(&self, connection: &mut C, changes: &mut Changes) -> Result<Inserted, StoreError> {
        if let Some(inserted) = self.insert_at_once(connection, changes, None).await? {
            return Ok(inserted);
        }
        let state = self.state(connection).await?;
        let has_moved = state.revision != self.new.decided_on;
        if has_moved && !mutants::has(Mutant::CheckOutsideTheLock) {
            return Ok(Inserted::Moved);
        }
        let plan = match self.plan(connection, &state).await? {
            Ok(plan) => plan,
            Err(refused) => return Ok(refused),
        };

        let Some(id) = self.write(connection, &plan, state.last_id).await? else { return Ok(Inserted::IdsUsedUp) };
        let has_removed = self.tidy(connection, changes, &plan, id).await?;
        let change = stored_u64(OPERATION, plan.change)?;
        changes.numbered(change);
        changes.subject(self.new.subject.clone(), change);
        // An id that nobody has seen has no uses that anybody remembers.
        if plan.id.is_some() {
            changes.uses(&self.new.subject.context, id);
        }
        let is_last = plan.version > state.last_version;
        let appended = (is_last && !has_removed).then_some(change);
        Ok(Inserted::Written { id, version: plan.version, appended })
    }
}

async fn is_referenced(
    connection: &mut impl Connection,
    subject: &SubjectKey,
    version: Version,
) -> Result<bool, StoreError> {
    let place = values![&*subject.context, &*subject.subject, version.0];
    let row = connection.row(OPERATION, include_str!("../sql/is_referenced.sql"), place).await?;
    rows::flag(OPERATION, &row, 0)
}
