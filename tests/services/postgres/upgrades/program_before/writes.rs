//! What each kind of its writes locks, and does inside a transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use registry_server::store::conformance::{dedup_key, guid, subject as named};
use registry_server::store::{Scope, SubjectKey};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::{CONTEXT, Decision, Locks, Moved, Place, ProgramBefore, number, statement};

/// A write, all of whose demands the caller has seen to.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    /// A text with the next version, or what is given for it.
    Insert { subject: String, text: String, import: Import },
    /// One version, or all of a subject's; those that are live are marked, or (permanent) those that are marked go.
    Delete { subject: String, version: Option<u32>, is_permanent: bool },
    /// A level of compatibility, or no config any more.
    PutConfig(Scope, Option<&'static str>),
    /// A mode, or none any more.
    PutMode(Scope, Option<&'static str>),
    /// `IMPORT` for a scope in which nothing lives: what is soft-deleted there goes.
    EnterImport(Scope),
    /// The modes of all the context's subjects.
    DeleteModesBelow,
}

/// What an import gives.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Import {
    pub(crate) id: Option<u32>,
    pub(crate) version: Option<u32>,
}

impl Write {
    pub(crate) fn register(subject: &str, text: &str) -> Self {
        Self::Insert { subject: subject.to_owned(), text: text.to_owned(), import: Import::default() }
    }

    pub(crate) fn import(subject: &str, text: &str, id: u32, version: u32) -> Self {
        let import = Import { id: Some(id), version: Some(version) };
        Self::Insert { subject: subject.to_owned(), text: text.to_owned(), import }
    }

    pub(crate) fn delete(subject: &str, version: impl Into<Option<u32>>) -> Self {
        Self::Delete { subject: subject.to_owned(), version: version.into(), is_permanent: false }
    }

    pub(crate) fn remove(subject: &str, version: impl Into<Option<u32>>) -> Self {
        Self::Delete { subject: subject.to_owned(), version: version.into(), is_permanent: true }
    }

    /// Whose revision it is decided on.
    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Insert { subject, .. } | Self::Delete { subject, .. } => Scope::Subject(named(subject)),
            Self::PutConfig(scope, _) | Self::PutMode(scope, _) | Self::EnterImport(scope) => scope.clone(),
            Self::DeleteModesBelow => Scope::Context(Arc::from(CONTEXT)),
        }
    }

    pub(super) fn locks(&self) -> Locks {
        let mut locks = Locks::default();
        locks.change_scope(&self.scope());
        match self {
            Self::Insert { text, import, .. } => {
                locks.change_content(text);
                if import.id.is_some() || import.version.is_some() {
                    locks.change_context(CONTEXT);
                }
            }
            Self::Delete { is_permanent: true, .. } | Self::EnterImport(Scope::Subject(_)) => {
                locks.change_context(CONTEXT);
            }
            _ => {}
        }
        locks
    }
}

impl ProgramBefore {
    pub(super) async fn apply(&mut self, write: &Write, decision: &Decision) -> Result<Place, Moved> {
        let scope = write.scope();
        if let Write::Insert { subject, text, import } = write {
            return self.insert(subject, text, *import, decision).await.map(Some);
        }
        if matches!(write, Write::DeleteModesBelow) {
            self.delete_modes_below().await;
            return Ok(None);
        }
        if self.decision(&scope).await != *decision {
            return Err(Moved);
        }
        match write {
            Write::Delete { subject, version, is_permanent } => {
                self.delete(&named(subject), *version, *is_permanent).await;
            }
            Write::PutConfig(_, level) => self.put_config(&scope, *level).await,
            Write::PutMode(_, mode) => self.put_mode(&scope, *mode).await,
            Write::EnterImport(_) => {
                self.purge(&scope).await;
                self.put_mode(&scope, Some("IMPORT")).await;
            }
            Write::Insert { .. } | Write::DeleteModesBelow => unreachable!("done above"),
        }
        Ok(None)
    }

    async fn insert(
        &mut self,
        subject: &str,
        text: &str,
        import: Import,
        decision: &Decision,
    ) -> Result<(u32, u32), Moved> {
        let place = sqlx::query(statement!("select_insert_state_postgres")).bind(CONTEXT).bind(subject);
        let state = self.row(place.bind(dedup_key(text))).await;
        if Decision::of(&state, &Scope::Subject(named(subject))) != *decision {
            return Err(Moved);
        }
        let (change, preferred, last): (i64, Option<i64>, i64) = (state.get(4), state.get(6), state.get(7));

        let (held, is_preferred) = match import.id.map(i64::from) {
            None => (preferred, true),
            Some(id) => (self.given_id(id, text).await, preferred == Some(id)),
        };
        let version = import.version.map_or(last + 1, i64::from);
        let replaced = match import.version {
            None => None,
            Some(version) => self.given_version(subject, i64::from(version), held).await,
        };
        let id = match (held, import.id) {
            (Some(id), _) => id,
            (None, Some(id)) => i64::from(id),
            (None, None) => self.row(sqlx::query(statement!("next_id_postgres")).bind(CONTEXT)).await.get(0),
        };

        let row = (subject, change, version, id);
        match (held.is_some(), replaced.is_some()) {
            (true, false) => self.write_version(concat!("WITH ", statement!("insert_version_postgres")), row).await,
            (true, true) => self.write_version(concat!("WITH ", statement!("replace_version_postgres")), row).await,
            (false, false) => {
                let statement = concat!(statement!("insert_content_postgres"), statement!("insert_version_postgres"));
                self.write_content(statement, row, text).await;
            }
            (false, true) => {
                let statement = concat!(statement!("insert_content_postgres"), statement!("replace_version_postgres"));
                self.write_content(statement, row, text).await;
            }
        }
        if held.is_some() && !is_preferred {
            let preferring = sqlx::query(statement!("prefer_id")).bind(CONTEXT).bind(dedup_key(text)).bind(id);
            self.execute(preferring).await;
        }
        self.tidy(row, held.is_some(), replaced).await;
        self.used.push(id);
        Ok((number(version), number(id)))
    }

    /// The id if it holds this text; `None` if it holds nothing.
    async fn given_id(&mut self, id: i64, text: &str) -> Option<i64> {
        let held = self.optional_row(sqlx::query(statement!("select_dedup_key")).bind(CONTEXT).bind(id)).await?;
        assert_eq!(held.get::<Vec<u8>, _>(0), dedup_key(text), "the id {id} is taken");
        Some(id)
    }

    /// The id of the version that has a number.
    async fn given_version(&mut self, subject: &str, version: i64, id: Option<i64>) -> Option<i64> {
        let place = sqlx::query(statement!("select_version_id")).bind(CONTEXT).bind(subject).bind(version);
        let old: i64 = self.optional_row(place).await?.get(0);
        if id != Some(old) {
            let place = sqlx::query(statement!("is_referenced")).bind(CONTEXT).bind(subject).bind(version);
            assert!(!self.row(place).await.get::<bool, _>(0), "version {version} is referred to");
        }
        Some(old)
    }

    async fn write_version(&mut self, statement: &'static str, row: (&str, i64, i64, i64)) {
        let (subject, change, version, id) = row;
        let place = sqlx::query(statement).bind(CONTEXT).bind(subject).bind(change).bind(version);
        self.execute(place.bind(id).bind(0_i64)).await;
    }

    async fn write_content(&mut self, statement: &'static str, row: (&str, i64, i64, i64), text: &str) {
        let (subject, change, version, id) = row;
        let place = sqlx::query(statement).bind(CONTEXT).bind(subject).bind(change).bind(version);
        let content = place.bind(id).bind(0_i64).bind("AVRO").bind(guid(text)).bind(dedup_key(text)).bind(text);
        self.execute(content.bind(None::<&str>).bind(None::<&str>)).await;
    }

    /// Takes away what a new version stands for now.
    async fn tidy(&mut self, row: (&str, i64, i64, i64), is_known: bool, replaced: Option<i64>) {
        let (subject, _, version, id) = row;
        let mut must_count = replaced.is_some();
        if is_known {
            let older = sqlx::query(statement!("remove_older_versions")).bind(CONTEXT).bind(subject);
            must_count |= self.execute(older.bind(id).bind(version)).await > 0;
        }
        if let Some(old) = replaced {
            self.remove_if_unused(old).await;
            self.used.push(old);
        }
        if must_count {
            self.count_versions(subject).await;
        }
    }

    async fn delete(&mut self, key: &SubjectKey, version: Option<u32>, is_permanent: bool) {
        let number = version.map(i64::from);
        let selected = sqlx::query(statement!("select_blocked")).bind(CONTEXT).bind(&*key.subject).bind(number);
        let blocked = self.row(selected.bind(i64::from(is_permanent))).await.get::<Option<i64>, _>(0);
        assert_eq!(blocked, None, "{key:?} is referred to");

        if is_permanent {
            self.remove_versions(&key.subject, number).await;
        } else {
            let marking = sqlx::query(statement!("mark_versions")).bind(CONTEXT).bind(&*key.subject).bind(number);
            let marked = self.rows(marking).await;
            assert!(!marked.is_empty(), "{key:?} has nothing to mark");
            self.used.extend(marked.iter().map(|row| row.get::<i64, _>(1)));
        }
        let scope = Scope::Subject(key.clone());
        self.raise(&scope).await;
        if self.count_versions(&key.subject).await == 0 {
            if version.is_none() {
                self.remove_setting(statement!("remove_config"), &scope).await;
                self.remove_setting(statement!("remove_mode"), &scope).await;
            }
            self.remove_if_idle(&key.subject).await;
        }
    }

    /// Those that are soft-deleted, and contents that nothing uses any more.
    async fn remove_versions(&mut self, subject: &str, version: Option<i64>) {
        let references = sqlx::query(statement!("remove_references_of_versions"));
        self.execute(references.bind(CONTEXT).bind(subject).bind(version)).await;
        let removing = sqlx::query(statement!("remove_versions")).bind(CONTEXT).bind(subject).bind(version);
        let removed = self.rows(removing).await;
        assert!(!removed.is_empty(), "`{subject}` has nothing to remove");
        let ids: BTreeSet<i64> = removed.iter().map(|row| row.get(1)).collect();
        for id in ids {
            self.remove_if_unused(id).await;
            self.used.push(id);
        }
    }

    async fn remove_if_unused(&mut self, id: i64) {
        let removing = sqlx::query(statement!("remove_unused_schema")).bind(CONTEXT).bind(id);
        if let Some(removed) = self.optional_row(removing).await {
            let key: Vec<u8> = removed.get(0);
            self.execute(sqlx::query(statement!("prefer_remaining_id")).bind(CONTEXT).bind(key)).await;
        }
    }

    async fn put_config(&mut self, scope: &Scope, level: Option<&'static str>) {
        self.raise(scope).await;
        let Some(level) = level else {
            return self.remove_setting_of(statement!("remove_config"), scope).await;
        };
        let (kind, context, subject) = key(scope);
        let named = sqlx::query(statement!("put_config")).bind(kind).bind(context).bind(subject).bind(level);
        let texts = named.bind(None::<&str>).bind(None::<&str>);
        let flags = (0..4).fold(texts, |statement, _| statement.bind(None::<i64>));
        self.execute((0..6).fold(flags, |statement, _| statement.bind(None::<&str>))).await;
    }

    async fn put_mode(&mut self, scope: &Scope, mode: Option<&'static str>) {
        self.raise(scope).await;
        let Some(mode) = mode else {
            return self.remove_setting_of(statement!("remove_mode"), scope).await;
        };
        let (kind, context, subject) = key(scope);
        self.execute(sqlx::query(statement!("put_mode")).bind(kind).bind(context).bind(subject).bind(mode)).await;
    }

    /// Removes what is soft-deleted in a scope without live versions.
    async fn purge(&mut self, scope: &Scope) {
        let (_, context, subject) = key(scope);
        let filter = match scope {
            Scope::Subject(_) => (Some(context), Some(subject)),
            Scope::Context(_) => (Some(context), None),
            Scope::Global => (None, None),
        };
        let is_live = sqlx::query(statement!("select_is_live_in_scope")).bind(filter.0).bind(filter.1);
        assert!(!self.row(is_live).await.get::<bool, _>(0), "{scope:?} has live versions");
        let blocked = sqlx::query(statement!("select_blocked_in_scope")).bind(filter.0).bind(filter.1);
        assert!(self.optional_row(blocked).await.is_none(), "{scope:?} is referred to");

        let references = sqlx::query(statement!("remove_references_in_scope")).bind(filter.0).bind(filter.1);
        self.execute(references).await;
        let deleted = sqlx::query(statement!("select_deleted_in_scope")).bind(filter.0).bind(filter.1);
        for row in self.rows(deleted).await {
            let name: String = row.get(1);
            self.remove_versions(&name, None).await;
            self.count_versions(&name).await;
            self.raise(&Scope::Subject(subject_of(&row))).await;
            self.remove_if_idle(&name).await;
        }
    }

    async fn delete_modes_below(&mut self) {
        for row in self.rows(sqlx::query(statement!("select_modes_below")).bind(CONTEXT)).await {
            let scope = Scope::Subject(named(row.get(0)));
            self.remove_setting(statement!("remove_mode"), &scope).await;
            self.raise(&scope).await;
            self.remove_if_idle(row.get(0)).await;
        }
    }

    /// Gives a scope the number of a new change.
    async fn raise(&mut self, scope: &Scope) {
        let change: i64 = self.row(sqlx::query(statement!("raise_change_postgres"))).await.get(0);
        let raising = match scope {
            Scope::Subject(key) => {
                sqlx::query(statement!("raise_subject_postgres")).bind(&*key.context).bind(&*key.subject)
            }
            Scope::Context(context) => sqlx::query(statement!("raise_context")).bind(&**context),
            Scope::Global => sqlx::query(statement!("raise_global")),
        };
        self.execute(raising.bind(change)).await;
    }

    /// How many versions a subject has, its counts being made right.
    async fn count_versions(&mut self, subject: &str) -> i64 {
        self.row(sqlx::query(statement!("count_versions")).bind(CONTEXT).bind(subject)).await.get(0)
    }

    async fn remove_setting_of(&mut self, statement: &'static str, scope: &Scope) {
        self.remove_setting(statement, scope).await;
        if let Scope::Subject(key) = scope {
            self.remove_if_idle(&key.subject).await;
        }
    }

    async fn remove_setting(&mut self, statement: &'static str, scope: &Scope) {
        let (kind, context, subject) = key(scope);
        self.execute(sqlx::query(statement).bind(kind).bind(context).bind(subject)).await;
    }

    async fn remove_if_idle(&mut self, subject: &str) {
        self.execute(sqlx::query(statement!("remove_idle_subject")).bind(CONTEXT).bind(subject)).await;
    }
}

/// The key of a scope's settings.
fn key(scope: &Scope) -> (&'static str, &str, &str) {
    match scope {
        Scope::Subject(key) => ("subject", &key.context, &key.subject),
        Scope::Context(context) => ("context", context, ""),
        Scope::Global => ("global", "", ""),
    }
}

/// The first two columns, a context and a subject.
fn subject_of(row: &PgRow) -> SubjectKey {
    SubjectKey { context: Arc::from(row.get::<&str, _>(0)), subject: Arc::from(row.get::<&str, _>(1)) }
}
