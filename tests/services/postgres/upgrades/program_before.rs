//! The program of the layout before: its statements as they stood in it (`fixtures/program-of-layout-3`), in its order,
//! with its locks. It cannot be built beside today's in a test's time.

use registry_server::store::conformance::dedup_key;
use registry_server::store::{DEFAULT_CONTEXT, Scope};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, PgConnection, Postgres, Row as _};

pub(super) use self::writes::Write;

mod writes;

macro_rules! statement {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/program-of-layout-3/", $name, ".sql"))
    };
}
use statement;

/// The one context that it works in.
const CONTEXT: &str = DEFAULT_CONTEXT;

/// More rounds than two writers that race need.
const TRIES_MAX: usize = 1_000;

/// A connection of it.
pub(super) struct ProgramBefore {
    connection: PgConnection,
    /// The ids whose uses the open transaction changes.
    used: Vec<i64>,
}

/// The counters that a decision looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision(Vec<i64>);

/// What a write has left: nothing where it was no insert.
pub(super) type Place = Option<(u32, u32)>;

/// A level of compatibility and a mode.
pub(super) type Settings = (Option<String>, Option<String>);

impl ProgramBefore {
    /// The layout that it was made for.
    pub(super) const LAYOUT: usize = 3;

    pub(super) async fn connect(url: &str) -> Self {
        Self { connection: PgConnection::connect(url).await.unwrap(), used: Vec::new() }
    }

    /// Registers a text that the subject does not have, without rules; the version and the id.
    pub(super) async fn register(&mut self, subject: &str, text: &str) -> (u32, u32) {
        self.write(&Write::register(subject, text)).await.expect("an insert has a place")
    }

    /// Writes, and decides again while it moved.
    pub(super) async fn write(&mut self, write: &Write) -> Place {
        for _ in 0..TRIES_MAX {
            let decision = self.decide(write).await;
            if let Ok(place) = self.write_as_decided(write, &decision).await {
                return place;
            }
        }
        panic!("{write:?} moved {TRIES_MAX} times");
    }

    /// What a write decides on.
    pub(super) async fn decide(&mut self, write: &Write) -> Decision {
        self.decision(&write.scope()).await
    }

    /// Writes if the decision stands.
    pub(super) async fn write_as_decided(&mut self, write: &Write, decision: &Decision) -> Result<Place, Moved> {
        let written = self.begin(write, decision).await;
        match written {
            Ok(_) => self.commit().await,
            Err(Moved) => self.run("ROLLBACK TO one_write; COMMIT").await,
        }
        written
    }

    /// Does all but the commit.
    pub(super) async fn begin(&mut self, write: &Write, decision: &Decision) -> Result<Place, Moved> {
        self.run("BEGIN").await;
        self.take_locks(&write.locks()).await;
        self.run("SAVEPOINT one_write").await;
        self.used.clear();
        self.apply(write, decision).await
    }

    /// Tells the other nodes what the transaction has changed, and ends it.
    pub(super) async fn commit(&mut self) {
        self.run("RELEASE one_write; SAVEPOINT one_write").await;
        if !self.used.is_empty() {
            let ids: String = self.used.iter().map(|id| format!("{id} {CONTEXT}\n")).collect();
            // The sender is 64 bits in hexadecimal.
            let message = format!("00000000000000b3\n{ids}");
            let notice = sqlx::query(statement!("notify_postgres")).bind("schema_registry_uses").bind(message);
            self.execute(notice).await;
        }
        self.run("COMMIT").await;
    }

    async fn decision(&mut self, scope: &Scope) -> Decision {
        let (context, subject) = match scope {
            Scope::Subject(key) => (Some(&*key.context), Some(&*key.subject)),
            Scope::Context(context) => (Some(&**context), None),
            Scope::Global => (None, None),
        };
        let row = self.row(sqlx::query(statement!("select_revision")).bind(context).bind(subject)).await;
        Decision::of(&row, scope)
    }

    /// Its versions of a subject: number, id, whether it is deleted.
    pub(super) async fn versions(&mut self, subject: &str) -> Vec<(u32, u32, bool)> {
        let version = |row: &PgRow| {
            let version: Option<i64> = row.get(0);
            version.map(|version| (number(version), number(row.get(1)), row.get::<i64, _>(3) != 0))
        };
        self.snapshot(subject).await.iter().filter_map(version).collect()
    }

    /// What is set at a subject, its context, the default context and over all contexts.
    pub(super) async fn settings(&mut self, subject: &str) -> [Settings; 4] {
        let mut found: [Settings; 4] = Default::default();
        for row in self.snapshot(subject).await {
            if let Some(level) = row.get::<Option<i64>, _>(5) {
                found[number(level) as usize] = (row.get(7), row.get(20));
            }
        }
        found
    }

    /// The text behind an id.
    pub(super) async fn text(&mut self, id: u32) -> Option<String> {
        let content = self.rows(sqlx::query(statement!("select_schema")).bind(CONTEXT).bind(i64::from(id))).await;
        content.first().map(|row| row.get(2))
    }

    /// Names of the subjects with live versions.
    pub(super) async fn subjects(&mut self) -> Vec<String> {
        let listing = sqlx::query(statement!("select_subjects")).bind(CONTEXT).bind("").bind(None::<&str>);
        let listed = self.rows(listing.bind(1_i64).bind(0_i64)).await;
        listed.iter().map(|row| row.get(0)).collect()
    }

    async fn snapshot(&mut self, subject: &str) -> Vec<PgRow> {
        self.rows(sqlx::query(statement!("select_subject_postgres")).bind(CONTEXT).bind(subject)).await
    }

    /// How many others wait for advisory locks.
    pub(super) async fn waiting(&mut self) -> i64 {
        let question = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        sqlx::query_scalar(question).fetch_one(&mut self.connection).await.unwrap()
    }

    async fn take_locks(&mut self, wanted: &Locks) {
        let mut locks = Vec::new();
        for (parts, is_exclusive) in &wanted.0 {
            locks.push((self.lock_key(parts).await, *is_exclusive));
        }
        // One that is wanted both ways is taken the stronger way.
        locks.sort_unstable_by_key(|(key, is_exclusive)| (*key, !is_exclusive));
        locks.dedup_by_key(|(key, _)| *key);
        let (keys, are_exclusive): (Vec<i64>, Vec<bool>) = locks.into_iter().unzip();
        self.execute(sqlx::query(statement!("take_locks_postgres")).bind(keys).bind(are_exclusive)).await;
    }

    /// The first 64 bits of SHA-256 over the parts, each behind its length.
    async fn lock_key(&mut self, parts: &[Vec<u8>]) -> i64 {
        let mut hashed = Vec::new();
        for part in parts {
            hashed.extend_from_slice(&(part.len() as u64).to_be_bytes());
            hashed.extend_from_slice(part);
        }
        let key = "SELECT ('x' || encode(substr(sha256($1), 1, 8), 'hex'))::bit(64)::bigint";
        sqlx::query_scalar(key).bind(hashed).fetch_one(&mut self.connection).await.unwrap()
    }

    async fn run(&mut self, statements: &'static str) {
        sqlx::raw_sql(statements).execute(&mut self.connection).await.unwrap();
    }

    /// How many rows a statement wrote.
    async fn execute(&mut self, statement: Query<'_, Postgres, PgArguments>) -> u64 {
        statement.execute(&mut self.connection).await.unwrap().rows_affected()
    }

    async fn rows(&mut self, statement: Query<'_, Postgres, PgArguments>) -> Vec<PgRow> {
        statement.fetch_all(&mut self.connection).await.unwrap()
    }

    async fn row(&mut self, statement: Query<'_, Postgres, PgArguments>) -> PgRow {
        statement.fetch_one(&mut self.connection).await.unwrap()
    }

    async fn optional_row(&mut self, statement: Query<'_, Postgres, PgArguments>) -> Option<PgRow> {
        statement.fetch_optional(&mut self.connection).await.unwrap()
    }
}

/// Something that a write looked at has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved;

impl Decision {
    /// The first columns of a row, without those that are narrower than the scope.
    fn of(row: &PgRow, scope: &Scope) -> Self {
        let looked_at = match scope {
            Scope::Subject(_) => 4,
            Scope::Context(_) => 3,
            Scope::Global => 1,
        };
        Self((0..looked_at).map(|column| row.get(column)).collect())
    }
}

/// What a write locks: the parts of a key, and whether nobody else may have it.
#[derive(Debug, Default)]
struct Locks(Vec<(Vec<Vec<u8>>, bool)>);

impl Locks {
    fn change_scope(&mut self, scope: &Scope) {
        match scope {
            Scope::Subject(key) => {
                self.want(&[b"subject", key.context.as_bytes(), key.subject.as_bytes()], true);
                self.read_context(&key.context);
            }
            Scope::Context(context) => self.change_context(context),
            Scope::Global => self.want(&[b"global"], true),
        }
    }

    fn change_context(&mut self, context: &str) {
        self.want(&[b"context", context.as_bytes()], true);
        self.read_context(context);
    }

    fn change_content(&mut self, text: &str) {
        self.want(&[b"content", CONTEXT.as_bytes(), &dedup_key(text)], true);
    }

    fn read_context(&mut self, context: &str) {
        self.want(&[b"context", context.as_bytes()], false);
        self.want(&[b"context", CONTEXT.as_bytes()], false);
        self.want(&[b"global"], false);
    }

    fn want(&mut self, parts: &[&[u8]], is_exclusive: bool) {
        self.0.push((parts.iter().map(|part| part.to_vec()).collect(), is_exclusive));
    }
}

fn number(number: i64) -> u32 {
    u32::try_from(number).unwrap()
}
