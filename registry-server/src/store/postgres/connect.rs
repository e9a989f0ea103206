//! Which database, and how connections to it are set up and checked.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Shared, WeakShared};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, Row as _};
use tokio::runtime::{self, Handle};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::lived::Lived;
use super::super::met_lock::MetLock;
use super::super::migrations::{self, Steps};
use super::super::{StoreError, StoreErrorKind};
use super::failure::{failed, failure, is_alive, is_answer};
use super::history::History;
use super::parameters;

const OPERATION: &str = "open the database";

/// The oldest release that is tested.
const VERSION_MIN: i64 = 150_000;

/// The key of the lock under which the layout is brought up to date.
const MIGRATIONS: i64 = 0x7372_6d69_6772_6174;

/// A server that does not answer within this time is away, so that requests are told within two seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// After so long without an answer the database is asked for a sign of life, and again each time that it has given one.
const SILENCE_MAX: Duration = Duration::from_millis(700);

/// How long it has for that: together with [`SILENCE_MAX`] less than the two seconds after which requests are told.
const SIGN_TIMEOUT: Duration = Duration::from_millis(800);

/// The processes of the server that have something to do, or had half a second ago: what others wait for that is said
/// over a connection may still be on its way. One waits for its client meanwhile (`idle`) whose client waits for it,
/// when the network between the two has lost what was said, as a firewall does that has forgotten the connection. One
/// that waits for a lock or a disk has something to do. Less than [`SILENCE_MAX`].
const BUSY: &str = "SELECT pid FROM pg_stat_get_activity(NULL) \
                    WHERE (state LIKE 'idle%' AND clock_timestamp() - state_change > '500 ms') IS NOT TRUE";

/// How long a server that starts waits for its database, which may be starting, too, or be busy with many that start.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// How often it asks meanwhile.
const START_INTERVAL: Duration = Duration::from_millis(200);

/// Settings of every connection. `statement_timeout`: no request waits for longer. `lock_timeout`: a writer that waits
/// for another node is told to try later, within the two seconds that a request has (a group that waits for several
/// locks has so long for each).
/// `idle_in_transaction_session_timeout`: a node that is frozen in the middle of a write gives its locks back.
/// `default_transaction_isolation`: a write sees what was committed while it waited for its locks, whatever the
/// database is set to.
const SETTINGS: [(&str, &str); 4] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "1500ms"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("default_transaction_isolation", "read committed"),
];

/// Where a database is reached, and by whom.
#[derive(Debug, Clone)]
pub(super) struct Target {
    options: PgConnectOptions,
    /// The question that is under way, for all who ask meanwhile.
    sign: Arc<Mutex<Option<WeakShared<Sign>>>>,
    lived: Arc<Lived>,
    history: Arc<History>,
}

/// The sign of life that the database gives, for all that is known.
type Sign = Pin<Box<dyn Future<Output = Life> + Send>>;

/// A sign of life, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Life {
    Away,
    /// It answers; and of which of its processes it says that they are [`BUSY`], if it does.
    Here(Option<Arc<[i32]>>),
}

impl Life {
    /// What has gone silent where somebody waits for what this process says, if anything has.
    fn silence(&self, process: Option<i32>) -> Option<Silence> {
        match (self, process) {
            (Self::Away, _) => Some(Silence::Database),
            (Self::Here(Some(busy)), Some(process)) if !busy.contains(&process) => Some(Silence::Connection),
            (Self::Here(_), _) => None,
        }
    }
}

/// Why there is no answer to be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// The database shows no sign of life.
    Database,
    /// The database lives, and takes longer than anybody waits.
    Busy,
    /// The database lives, and does nothing over this connection. What it was to do may be done or not.
    Connection,
}

impl Silence {
    /// As an error of a call; that of a connection is one of a connection that is [lost](super::failure::is_lost).
    pub(super) fn error(self, operation: &'static str) -> StoreError {
        let late = "the database did not answer in time";
        match self {
            Self::Database => StoreError::unavailable(operation, late),
            Self::Busy => StoreError::new(operation, StoreErrorKind::Busy, late),
            Self::Connection => {
                let silent = std::io::Error::new(std::io::ErrorKind::TimedOut, "the connection has gone silent");
                failure(operation, sqlx::Error::Io(silent))
            }
        }
    }
}

/// A connection, and the process of the server's that serves it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: PgConnection,
    pub(super) process: i32,
    /// The number of the history that the database had when it was made. Over one of an earlier history than that in
    /// force nothing is asked any more: it may lead to another server.
    pub(super) history: u64,
    /// The runtime that watches its socket, on which it was made.
    pub(super) runtime: runtime::Id,
}

impl Target {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...`.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        if let Some(problem) = parameters::problem(url) {
            return Err(StoreError::new(OPERATION, StoreErrorKind::Setup, problem));
        }
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| {
                let said = failure(OPERATION, error).source;
                let advice = format!(
                    "{said}; expected `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `@`, `/`, `:` and `%` in a \
                     password written as `%40`, `%2F`, `%3A` and `%25`"
                );
                StoreError::new(OPERATION, StoreErrorKind::Setup, advice)
            })?
            .application_name("schema-registry")
            .options(SETTINGS)
            .disable_statement_logging();
        Ok(Self { options, sign: Arc::default(), lived: Arc::default(), history: Arc::default() })
    }

    /// The same database, for connections that wait so long for what is locked.
    pub(super) fn waiting_for_locks(&self, lock_timeout: Duration) -> Self {
        // Of a setting that comes twice, the last one counts.
        let options = self.options.clone().options([("lock_timeout", format!("{}ms", lock_timeout.as_millis()))]);
        Self { options, ..self.clone() }
    }

    /// The role that connects.
    pub(super) fn role(&self) -> &str {
        self.options.get_username()
    }

    /// The database; PostgreSQL's own default is the one that is called as the role.
    pub(super) fn database(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.role())
    }

    /// Whether it is reached by a socket in a folder.
    pub(super) fn is_socket(&self) -> bool {
        self.options.get_socket().is_some()
    }

    /// How PostgreSQL's own programs are told to reach it.
    pub(super) fn reach(&self) -> String {
        let port = self.options.get_port();
        match self.options.get_socket() {
            Some(folder) => format!("--host {} --port {port}", folder.display()),
            None => format!("--host {} --port {port}", self.options.get_host()),
        }
    }

    /// A pool for whoever cannot do with a connection. It is not connected.
    pub(super) fn pool_of_one(&self) -> PgPool {
        PgPoolOptions::new().max_connections(1).connect_lazy_with(self.options.clone())
    }

    /// The outcome of a call that may take `max`; or that there is none, after that, or as soon as the database shows
    /// no sign of life: a slow answer is worth waiting for, a server that hangs or a network that has gone silent says
    /// nothing by itself. Where the call is one over the connection of a `process`, it is not waited for either once
    /// that has nothing to do.
    ///
    /// TCP would find out as soon that nothing is acknowledged (`TCP_USER_TIMEOUT`), but sqlx makes the sockets and
    /// sets none, and a proxy, or the system of a process that hangs, acknowledges all the same. Keepalives ask a
    /// connection only that has nothing to say.
    ///
    /// # Cancel safety
    ///
    /// As the call's. An error drops it.
    pub(super) async fn answer<T>(
        &self,
        max: Duration,
        process: Option<i32>,
        call: impl Future<Output = T>,
    ) -> Result<T, Silence> {
        let silence = async {
            loop {
                tokio::time::sleep(SILENCE_MAX).await;
                if let Some(silence) = self.sign_of_life().await.silence(process) {
                    return silence;
                }
            }
        };
        tokio::select! {
            biased;
            outcome = tokio::time::timeout(max, call) => outcome.map_err(|_| Silence::Busy),
            silence = silence => Err(silence),
        }
    }

    /// The histories that the database has had.
    pub(super) fn history(&self) -> &History {
        &self.history
    }

    /// Takes note that the database has answered.
    pub(super) fn lives(&self) {
        self.lived.note();
    }

    /// Locks that are met from now on by statements that wait for each other.
    pub(super) fn met_lock(&self) -> Arc<MetLock> {
        Arc::new(MetLock::new(Arc::clone(&self.lived)))
    }

    /// Whether the database takes a new connection, and what it says over it. Its number of connections may be used up:
    /// that is a sign of life.
    ///
    /// One connection for all who ask at a time, so that a slow database does not get one more from each. Whoever asks
    /// second waits for less than [`SIGN_TIMEOUT`]. Where the database takes long to let somebody in, and has answered
    /// to others since the first asked, nothing speaks against life; nor does it if the runtime of the first ends
    /// meanwhile. Then they ask again.
    fn sign_of_life(&self) -> Shared<Sign> {
        let mut asked = self.sign.lock().unwrap_or_else(PoisonError::into_inner);
        let running = asked.as_ref().and_then(WeakShared::upgrade).filter(|sign| sign.peek().is_none());
        running.unwrap_or_else(|| {
            let (options, lived, begun) = (self.options.clone(), Arc::clone(&self.lived), Instant::now());
            // A task, since a timer is of one runtime, and whoever waits may be of another. It ends with the question.
            let mut asking = JoinSet::new();
            asking.spawn(async move {
                match tokio::time::timeout(SIGN_TIMEOUT, busy(options)).await {
                    Ok(Ok(busy)) => {
                        lived.note();
                        Life::Here(Some(busy.into()))
                    }
                    Ok(Err(sqlx::Error::Database(error))) if is_alive(&*error) => {
                        lived.note();
                        Life::Here(None)
                    }
                    Ok(Err(_)) | Err(_) if note_if_away(&lived, begun) => Life::Away,
                    Ok(Err(_)) | Err(_) => Life::Here(None),
                }
            });
            let sign: Sign =
                Box::pin(async move { asking.join_next().await.and_then(Result::ok).unwrap_or(Life::Here(None)) });
            let sign = sign.shared();
            *asked = sign.downgrade();
            sign
        })
    }

    /// A new connection.
    pub(super) async fn connect(&self, operation: &'static str) -> Result<Link, StoreError> {
        let connecting = async {
            let mut connection = self.options.connect().await?;
            let answer = sqlx::raw_sql(self.history.question()).fetch_one(&mut connection).await?;
            let (process, history) = (answer.try_get(0)?, self.history.note(&answer, self)?);
            Ok(Link { connection, process, history, runtime: Handle::current().id() })
        };
        let begun = Instant::now();
        let Ok(connected) = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await else {
            // Else it takes long to let somebody in, and has answered to others meanwhile.
            let kind =
                if note_if_away(&self.lived, begun) { StoreErrorKind::Unavailable } else { StoreErrorKind::Busy };
            let late = format!("`{self}` did not answer within {CONNECT_TIMEOUT:?}");
            return Err(StoreError::new(operation, kind, late));
        };
        let connected = connected.map_err(failed(operation));
        if connected.as_ref().map_or_else(is_answer, |_| true) {
            self.lived.note();
        } else {
            note_if_away(&self.lived, begun);
        }
        connected
    }
}

impl fmt::Display for Target {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}:{}/{}", self.options.get_host(), self.options.get_port(), self.database())
    }
}

/// Whether the database is away, as somebody finds who could not reach it, and has begun to try then; takes note of it.
/// It is not where others have been answered since, or [`SILENCE_MAX`] ago at most: then what fails at once is wrong
/// here, as where no more files may be opened, or at a firewall that only lets go on what has begun.
fn note_if_away(lived: &Lived, begun: Instant) -> bool {
    let now = Instant::now();
    lived.note_away_unless_since(now.checked_sub(SILENCE_MAX).map_or(begun, |silent| silent.min(begun)))
}

async fn busy(options: PgConnectOptions) -> Result<Vec<i32>, sqlx::Error> {
    let mut connection = options.connect().await?;
    sqlx::raw_sql(BUSY).fetch_all(&mut connection).await?.iter().map(|row| row.try_get(0)).collect()
}

/// Tries until it succeeds, fails for good, or [`START_PATIENCE`] is over: for what a server needs at its start.
pub(super) async fn patiently<T, F>(attempt: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let (started, mut is_told) = (Instant::now(), false);
    loop {
        match attempt().await {
            Err(error) if error.is_retriable() && started.elapsed() < START_PATIENCE => {
                if !is_told {
                    is_told = true;
                    let cause = &error.source;
                    tracing::warn!(
                        %cause,
                        "the database does not answer, waiting at most {} s", START_PATIENCE.as_secs()
                    );
                }
                tokio::time::sleep(START_INTERVAL).await;
            }
            outcome => return outcome,
        }
    }
}

/// Refuses a server that is too old; complains about one that may lose what it has confirmed.
pub(super) async fn check_server(connection: &mut PgConnection, target: &Target) -> Result<(), StoreError> {
    let (version, text, fsync, synchronous_commit, encoding): (i64, String, String, String, String) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'), \
         current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_encoding')",
    )
    .fetch_one(connection)
    .await
    .map_err(failed(OPERATION))?;
    if version < VERSION_MIN {
        let advice = format!("`{target}` is PostgreSQL {text}, expected at least {}", VERSION_MIN / 10_000);
        return Err(StoreError::new(OPERATION, StoreErrorKind::Setup, advice));
    }

    if encoding != "UTF8" {
        let advice = format!("`{target}` is encoded as {encoding}, expected UTF8; create the database with UTF8");
        return Err(StoreError::new(OPERATION, StoreErrorKind::Setup, advice));
    }
    for (setting, value) in [("fsync", fsync), ("synchronous_commit", synchronous_commit)] {
        if value == "off" {
            tracing::warn!(
                setting,
                "`{target}` runs with `{setting} = off`: schemas that were confirmed to clients can be lost, and ids \
                 given a second time, when it crashes; set `{setting} = on`"
            );
        }
    }
    Ok(())
}

/// Brings the layout up to date. Of several servers that start at once one does it, the others wait for it.
pub(super) async fn migrate(connection: &mut PgConnection, target: &Target, steps: &Steps) -> Result<(), StoreError> {
    // The lock ends with the transaction, however it ends; and all steps are applied or none.
    let mut transaction = connection.begin().await.map_err(failed(OPERATION))?;
    let lock = format!(
        "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock({MIGRATIONS})"
    );
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *transaction).await.map_err(failed(OPERATION))?;
    migrations::run(steps, &mut *transaction, &target.to_string()).await?;
    transaction.commit().await.map_err(failed(OPERATION))
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    #[tokio::test]
    async fn all_who_ask_for_a_sign_of_life_share_a_connection() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::parse(&format!("postgres://sr@{}/registry", silent.local_addr().unwrap())).unwrap();
        let ask_together = async || {
            let signs = (0..10).map(|_| target.clone().sign_of_life());
            futures_util::future::join_all(signs).await
        };
        let mut taken = Vec::new();

        for questions in 1..=2 {
            let take = async {
                loop {
                    taken.push(silent.accept().await.unwrap());
                }
            };
            let answers = tokio::select! {
                answers = ask_together() => answers,
                () = take => unreachable!("it goes on for ever"),
            };
            assert_eq!((answers, taken.len()), (vec![Life::Away; 10], questions));
        }
    }

    /// It has answered to others since somebody has asked, and not since somebody else joined.
    #[tokio::test]
    async fn a_database_that_has_answered_during_a_sign_of_life_is_there_for_who_joins_it_late_too() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::parse(&format!("postgres://sr@{}/registry", silent.local_addr().unwrap())).unwrap();
        let (begun, sign) = (Instant::now(), target.sign_of_life());
        target.lives();

        // It joins the sign after 0.7 of its 0.8 s; the next one has no answer yet.
        let late = target.answer(Duration::from_secs(1), None, std::future::pending::<()>());

        assert_eq!(tokio::join!(sign, late), (Life::Here(None), Err(Silence::Busy)));
        assert!(target.lived.is_since(begun) && !target.lived.was_away_since(begun));
    }

    #[tokio::test]
    async fn a_database_that_answers_to_others_is_not_away_where_no_connection_can_be_made() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let target = Target::parse(&format!("postgres://sr@{closed}/registry")).unwrap();
        let begun = Instant::now();

        for (lives, life) in [(true, Life::Here(None)), (false, Life::Away)] {
            if lives {
                target.lives();
            } else {
                tokio::time::pause();
                tokio::time::advance(SILENCE_MAX + Duration::from_millis(1)).await;
                tokio::time::resume();
            }
            assert_eq!(target.connect("connect").await.unwrap_err().kind, StoreErrorKind::Unavailable);
            assert_eq!((target.lived.is_since(begun), target.lived.was_away_since(begun)), (lives, !lives));
            assert_eq!(target.sign_of_life().await, life);
        }
    }

    #[test]
    fn no_message_carries_the_password() {
        let target = Target::parse("postgres://sr:secret@db.example:6000/registry").unwrap();

        assert_eq!(target.to_string(), "postgres://db.example:6000/registry");
        let wrong = Target::parse("postgres://sr:secret@db.example:port/registry").unwrap_err();
        assert!(!format!("{wrong:?}").contains("secret"), "{wrong:?}");
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn whoever_waits_for_a_sign_outlives_the_runtime_that_asked_for_it() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::parse(&format!("postgres://sr@{}/registry", silent.local_addr().unwrap())).unwrap();
        let (first, second) = (runtime(), runtime());
        let asked = {
            let _first = first.enter();
            target.sign_of_life()
        };
        assert!(first.block_on(async { asked.clone().now_or_never() }).is_none());

        drop(first);

        assert_eq!(second.block_on(asked), Life::Here(None), "nobody knows better");
        assert_eq!(second.block_on(async { target.sign_of_life().await }), Life::Away, "a server that is silent");
    }
}
