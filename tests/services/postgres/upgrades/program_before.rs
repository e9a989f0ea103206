//! The program of the layout before, as far as it registers and reads: its statements as they stood in it
//! (`fixtures/program-of-layout-3`), in its order, with its locks. It cannot be built beside today's in a test's time.

use registry_server::store::conformance::{dedup_key, guid};
use sqlx::postgres::PgRow;
use sqlx::{Connection as _, PgConnection, Row as _};

macro_rules! statement {
    ($name:literal) => {
        include_str!(concat!("../../../fixtures/program-of-layout-3/", $name, ".sql"))
    };
}

/// The one context that it works in.
const CONTEXT: &str = ".";

/// More rounds than two writers that race need.
const TRIES_MAX: usize = 1_000;

/// A connection of it.
pub(super) struct ProgramBefore {
    connection: PgConnection,
}

impl ProgramBefore {
    /// The layout that it was made for.
    pub(super) const LAYOUT: usize = 3;

    pub(super) async fn connect(url: &str) -> Self {
        Self { connection: PgConnection::connect(url).await.unwrap() }
    }

    /// Registers a text that the subject does not have, without rules; the version and the id.
    pub(super) async fn register(&mut self, subject: &str, text: &str) -> (u32, u32) {
        for _ in 0..TRIES_MAX {
            let decided_on = sqlx::query(statement!("select_revision"))
                .bind(CONTEXT)
                .bind(subject)
                .fetch_one(&mut self.connection)
                .await
                .unwrap();
            if let Some(written) = self.insert(subject, text, &counters(&decided_on)).await {
                return written;
            }
        }
        panic!("`{subject}` moved {TRIES_MAX} times");
    }

    /// `None` when something has moved.
    async fn insert(&mut self, subject: &str, text: &str, decided_on: &[i64]) -> Option<(u32, u32)> {
        self.run("BEGIN").await;
        self.take_locks(subject, text).await;
        self.run("SAVEPOINT one_write").await;
        let state = sqlx::query(statement!("select_insert_state_postgres"))
            .bind(CONTEXT)
            .bind(subject)
            .bind(dedup_key(text))
            .fetch_one(&mut self.connection)
            .await
            .unwrap();
        if counters(&state) != decided_on {
            self.run("ROLLBACK TO one_write").await;
            self.run("COMMIT").await;
            return None;
        }
        let (change, preferred, last): (i64, Option<i64>, i64) = (state.get(4), state.get(6), state.get(7));
        let version = last + 1;
        let id = match preferred {
            Some(id) => {
                self.insert_version(subject, change, version, id).await;
                id
            }
            None => self.insert_content_and_version(subject, text, change, version).await,
        };
        self.run("RELEASE one_write; SAVEPOINT one_write").await;
        sqlx::query(statement!("notify_postgres"))
            .bind("schema_registry_uses")
            .bind(format!("before\n{id} {CONTEXT}\n"))
            .execute(&mut self.connection)
            .await
            .unwrap();
        self.run("COMMIT").await;
        Some((number(version), number(id)))
    }

    /// Of a content that the context has.
    async fn insert_version(&mut self, subject: &str, change: i64, version: i64, id: i64) {
        sqlx::query(concat!("WITH ", statement!("insert_version_postgres")))
            .bind(CONTEXT)
            .bind(subject)
            .bind(change)
            .bind(version)
            .bind(id)
            .bind(0_i64)
            .execute(&mut self.connection)
            .await
            .unwrap();
        sqlx::query(statement!("remove_older_versions"))
            .bind(CONTEXT)
            .bind(subject)
            .bind(id)
            .bind(version)
            .execute(&mut self.connection)
            .await
            .unwrap();
    }

    /// With the next id, which it answers.
    async fn insert_content_and_version(&mut self, subject: &str, text: &str, change: i64, version: i64) -> i64 {
        let next_id = sqlx::query_scalar(statement!("next_id_postgres")).bind(CONTEXT);
        let id: i64 = next_id.fetch_one(&mut self.connection).await.unwrap();
        sqlx::query(concat!(statement!("insert_content_postgres"), statement!("insert_version_postgres")))
            .bind(CONTEXT)
            .bind(subject)
            .bind(change)
            .bind(version)
            .bind(id)
            .bind(0_i64)
            .bind("AVRO")
            .bind(guid(text))
            .bind(dedup_key(text))
            .bind(text)
            .bind(None::<&str>)
            .bind(None::<&str>)
            .execute(&mut self.connection)
            .await
            .unwrap();
        id
    }

    /// Its versions of a subject: number, id, whether it is deleted.
    pub(super) async fn versions(&mut self, subject: &str) -> Vec<(u32, u32, bool)> {
        let rows = sqlx::query(statement!("select_subject_postgres")).bind(CONTEXT).bind(subject);
        let rows = rows.fetch_all(&mut self.connection).await.unwrap();
        let version = |row: &PgRow| {
            let version: Option<i64> = row.get(0);
            version.map(|version| (number(version), number(row.get(1)), row.get::<i64, _>(3) != 0))
        };
        rows.iter().filter_map(version).collect()
    }

    /// A change of the subject and a register of the content; what is above them must stand.
    async fn take_locks(&mut self, subject: &str, text: &str) {
        let content = dedup_key(text);
        let wanted: [(&[&[u8]], bool); 4] = [
            (&[b"subject", CONTEXT.as_bytes(), subject.as_bytes()], true),
            (&[b"content", CONTEXT.as_bytes(), &content], true),
            (&[b"context", CONTEXT.as_bytes()], false),
            (&[b"global"], false),
        ];
        let mut locks = Vec::new();
        for (parts, is_exclusive) in wanted {
            locks.push((self.lock_key(parts).await, is_exclusive));
        }
        locks.sort_unstable();
        let (keys, are_exclusive): (Vec<i64>, Vec<bool>) = locks.into_iter().unzip();
        let locking = sqlx::query(statement!("take_locks_postgres")).bind(keys).bind(are_exclusive);
        locking.execute(&mut self.connection).await.unwrap();
    }

    /// The first 64 bits of SHA-256 over the parts, each behind its length.
    async fn lock_key(&mut self, parts: &[&[u8]]) -> i64 {
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
}

/// The counters that a decision looks at, the first columns of a row.
fn counters(row: &PgRow) -> Vec<i64> {
    (0..4).map(|column| row.get(column)).collect()
}

fn number(number: i64) -> u32 {
    u32::try_from(number).unwrap()
}
