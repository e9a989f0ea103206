//! Each lock by itself: a register is stopped on its way, and a write of another node that must not overtake it is
//! tried.
//!
//! What a register has looked at must not change before it is there; so whoever changes that, and is answered, finds
//! the register's version.

use std::sync::Arc;
use std::time::Duration;

use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::wait::wait_until;
use registry_server::store::conformance::references::referring;
use registry_server::store::conformance::{new_version, register, subject_in};
use registry_server::store::{ConfigRecord, DeleteMode, Inserted, PostgresStore, Scope, Store, StoreError, SubjectKey};

use super::store::database_of;

/// For what takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// Stops a register between what it has looked at and what it writes, for less than a node waits for a lock. A
/// sequence, which no transaction holds back, counts the stops.
const STOP: &str = "CREATE SEQUENCE stops;
    CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM nextval('stops'); PERFORM pg_sleep(1); RETURN NEW; END $$;
    CREATE TRIGGER stop BEFORE INSERT ON versions FOR EACH ROW WHEN (NEW.subject = 'stopped')
    EXECUTE FUNCTION stop()";

const STOPS: &str = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM stops";

/// What is tried meanwhile.
#[derive(Debug, Clone, Copy)]
enum Other {
    /// Settings of the register's context.
    ContextSettings,
    /// Settings of the default context, which complete those of every other.
    DefaultSettings,
    /// Settings of all contexts.
    GlobalSettings,
    /// A soft delete of what the new schema refers to, in another context.
    TargetDelete,
    /// What may touch anything in the context of that.
    TargetContext,
}

const OTHERS: [Other; 5] =
    [Other::ContextSettings, Other::DefaultSettings, Other::GlobalSettings, Other::TargetDelete, Other::TargetContext];

impl Other {
    async fn write(self, store: &dyn Store, context: &str, target: &SubjectKey) -> Result<(), StoreError> {
        let put = async |scope: Scope| {
            let revision = store.scope_snapshot(&scope).await?.revision;
            store.put_config(&scope, Some(ConfigRecord::default()), revision).await.map(drop)
        };
        match self {
            Self::ContextSettings => put(Scope::Context(Arc::from(context))).await,
            Self::DefaultSettings => put(Scope::Context(Arc::from("."))).await,
            Self::GlobalSettings => put(Scope::Global).await,
            Self::TargetDelete => {
                let snapshot = store.subject_snapshot(target).await?;
                let version = snapshot.versions[0].version;
                store.delete_version(target, version, DeleteMode::Soft, snapshot.revision).await.map(drop)
            }
            Self::TargetContext => store.delete_context(&target.context).await.map(drop),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_overtakes_a_register_that_has_looked_at_what_he_changes() {
    let postgres = Postgres::shared().unwrap();
    let url = postgres.create_database().unwrap();
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(PostgresStore::open(&url).await.unwrap()), Arc::new(PostgresStore::open(&url).await.unwrap())];
    let database = database_of(&url).to_owned();
    let psql = |statement: &'static str| {
        let database = database.clone();
        move || postgres.psql(&database, statement).unwrap()
    };
    tokio::task::spawn_blocking(psql(STOP)).await.unwrap();

    for (number, other) in OTHERS.into_iter().enumerate() {
        let (context, target) = (format!(".c{number}"), subject_in(&format!(".t{number}"), "target"));
        register(&stores[0], &target, "target").await;
        // A content that is there takes no id, whose row would be locked.
        register(&stores[0], &subject_in(&context, "before"), "text").await;
        let stopped = subject_in(&context, "stopped");
        let revision = stores[0].revision(&stopped).await.unwrap();
        let mut new = new_version(&stopped, "text", revision);
        if let Other::TargetDelete | Other::TargetContext = other {
            new = referring(&stores[0], &stopped, "text that refers", (&target, 1, "target")).await;
        }

        let stops_before = tokio::task::spawn_blocking(psql(STOPS)).await.unwrap();
        let first = Arc::clone(&stores[0]);
        let inserting = tokio::spawn(async move { first.insert_version(new).await });
        let stops = psql(STOPS);
        let stop = move || wait_until("the register to stop", DEADLINE, || stops() != stops_before).unwrap();
        tokio::task::spawn_blocking(stop).await.unwrap();
        let written = other.write(&*stores[1], &context, &target).await;
        let is_there = !stores[1].subject_snapshot(&stopped).await.unwrap().versions.is_empty();

        match written {
            Ok(()) => assert!(is_there, "{other:?} has overtaken"),
            Err(error) => assert!(error.is_retriable(), "{other:?}: {error}"),
        }
        let inserted = inserting.await.unwrap().unwrap();
        assert!(matches!(inserted, Inserted::Written { .. }), "{other:?}: {inserted:?}");
    }
}
