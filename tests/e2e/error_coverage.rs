//! Walks the table of error codes: whatever the server can send is provoked, with its status and its message, and what
//! it never sends says so. On either storage; so each case of an endpoint runs on PostgreSQL here.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use end_to_end_tests::wait::wait_until;
use registry_server::config::Database;
use registry_server::{Server, ServerConfig};
use schema_core::error_code::{Entry, ErrorCode, TABLE};

use crate::raw_http::{Answer, Connection, JSON, with_server};
use crate::registry_api::{Case, cases, with_changed_registry};
use crate::registry_metrics::gauge;

/// How the cause of a code ends that this server does not send.
const NEVER_SENT: &str = "never sends it";

/// What only a bug leads to: it is provoked where the server is built with one that is planted.
const UNFORESEEN: ErrorCode = ErrorCode::Internal;

/// Why a 503 may be answered, each a form of its own: the table has one for all of them. With where it is provoked.
const UNAVAILABLE: [(&str, Where); 13] = [
    ("the request took too long", Where::Everywhere),
    (
        "the bodies of all requests together would pass the limit of %s bytes (setting `limits.bodies_bytes`)",
        Where::Everywhere,
    ),
    ("the server is shutting down", Where::Everywhere),
    ("all connections are taken (setting `limits.connections`)", Where::Everywhere),
    ("the storage is not reachable", Where::OnPostgres),
    ("the storage is busy", Where::OnPostgres),
    ("the storage is locked by another client", Where::OnPostgres),
    ("the storage is full", Where::OnPostgres),
    ("the storage is read-only", Where::OnPostgres),
    ("the storage is refusing the role of this server", Where::OnPostgres),
    ("the storage is missing its database or a table", Where::OnPostgres),
    ("the storage is no longer the file that was opened: put that back, or restart the server", Where::OnSqlite),
    ("too many writers of this subject", Where::Planted),
];

/// On which storage this walk provokes a reason.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Everywhere,
    OnPostgres,
    OnSqlite,
    /// Where faults can be planted: it takes bad luck.
    Planted,
}

/// Registries that run side by side.
const AT_ONCE: usize = 4;

const RECORD: &[u8] = br#"{"schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}"}"#;
const INT: &[u8] = br#"{"schema":"\"int\""}"#;

/// Where registries keep what they store.
#[derive(Clone, Copy)]
struct Place {
    /// Gives a registry an empty database of its own.
    empty: fn(&mut ServerConfig),
    /// A database that outlives its registries.
    lasting: fn() -> Lasting,
    /// Which of the two storages it is.
    kind: Where,
    /// Shows what can be provoked on it alone.
    own: fn(Show<'_>),
}

/// A database that can be spoiled while no registry runs.
struct Lasting {
    database: Database,
    spoil: Spoil,
}

/// Replaces a text that is stored by another of the same length, as a disk would that gives back other bits.
type Spoil = Box<dyn Fn(&str, &str)>;

#[test]
fn every_error_is_provoked_in_all_its_forms_or_said_to_be_never_sent() {
    provoke_all(Place { empty: |_| {}, lasting: file, kind: Where::OnSqlite, own: a_file_that_is_removed });
}

fn file() -> Lasting {
    // It is there as long as what moves it in.
    let folder = tempfile::tempdir().unwrap();
    let name = "registry.db";
    let database = Database::Url(format!("sqlite://{}", folder.path().join(name).display()));
    let spoil = move |sound: &str, broken: &str| {
        let file = folder.path().join(name);
        let bytes = std::fs::read(&file).unwrap();
        let at = bytes.windows(sound.len()).position(|window| window == sound.as_bytes());
        let at = at.expect("the text lies in the file");
        let bytes = [&bytes[..at], broken.as_bytes(), &bytes[at + sound.len()..]].concat();
        std::fs::write(&file, bytes).unwrap();
    };
    Lasting { database, spoil: Box::new(spoil) }
}

fn a_file_that_is_removed(show: Show<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let change = |config: &mut ServerConfig| config.database = Database::Url(format!("sqlite://{}", path.display()));
    with_server(change, |address| {
        std::fs::remove_file(&path).unwrap();
        show(&Connection::open(address).send("GET", "/health/ready", &[], None));
    });
}

/// Where PostgreSQL is.
#[cfg(feature = "services")]
mod postgres {
    use end_to_end_tests::services::postgres::Postgres;

    use super::*;

    #[test]
    fn every_error_is_provoked_in_all_its_forms_or_said_to_be_never_sent() {
        provoke_all(Place {
            empty: |config| config.database = Database::Url(create_database()),
            lasting,
            kind: Where::OnPostgres,
            own: what_the_database_says,
        });
    }

    /// The database says what it would say in want of memory, of time, of a lock, of a place on its disk, and so on;
    /// that it does then is for the tests in `services/postgres` and `services/disk`.
    fn what_the_database_says(show: Show<'_>) {
        let url = create_database();
        let name = url.rsplit('/').next().unwrap();
        let psql = |statement: &str| drop(Postgres::shared().unwrap().psql(name, statement).unwrap());
        with_server(
            |config| config.database = Database::Url(url.clone()),
            |address| {
                let mut connection = Connection::open(address);
                for (at, state) in ["53200", "57014", "55P03", "53100", "25006", "42501", "42P01"].iter().enumerate() {
                    psql(&format!(
                        "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                         $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{state}'; END $$;
                         CREATE OR REPLACE TRIGGER fails BEFORE INSERT ON versions EXECUTE FUNCTION fail()"
                    ));
                    let path = format!("/subjects/s{at}/versions");
                    show(&connection.send("POST", &path, &[JSON], Some(INT)));
                }
            },
        );
    }

    fn create_database() -> String {
        Postgres::shared().unwrap().create_database().unwrap()
    }

    fn lasting() -> Lasting {
        let url = create_database();
        let name = url.rsplit('/').next().unwrap().to_owned();
        let spoil = move |sound: &str, broken: &str| {
            let spoiled = format!("UPDATE schemas SET text = replace(text, '{sound}', '{broken}')");
            Postgres::shared().unwrap().psql(&name, &spoiled).unwrap();
        };
        Lasting { database: Database::Url(url), spoil: Box::new(spoil) }
    }
}

fn provoke_all(place: Place) {
    let provoked = Mutex::new(BTreeSet::new());
    let (cases, next) = (cases().collect::<Vec<&Case>>(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for sent in with_changed_registry(place.empty, case.run) {
                        note(&mut provoked.lock().unwrap(), &sent.answer);
                    }
                }
            });
        }
    });
    let mut provoked = provoked.into_inner().unwrap();
    for provocation in PROVOCATIONS {
        provocation(place, &mut |answer| note(&mut provoked, answer));
    }
    (place.own)(&mut |answer| note(&mut provoked, answer));

    for entry in TABLE.iter().filter(|entry| cfg!(feature = "services") || entry.code != UNFORESEEN) {
        let is_never_sent = entry.cause.contains(NEVER_SENT);
        for (form, shown) in forms(entry).iter().enumerate() {
            let is_provoked = provoked.contains(&(entry.code, form)) || is_provoked_elsewhere(entry, form, place);
            assert_eq!(is_provoked, !is_never_sent, "provoked: {} `{shown}`", entry.name);
        }
    }
}

/// The forms of an error's messages, in which `%s` is any text.
fn forms(entry: &Entry) -> Vec<String> {
    if entry.code != ErrorCode::Unavailable {
        return entry.forms.iter().map(|form| (*form).to_owned()).collect();
    }
    let [form] = entry.forms else { panic!("{:?}", entry.forms) };
    UNAVAILABLE.iter().map(|(reason, _)| form.replace("%s", reason)).collect()
}

/// Whether another walk than that on this storage, or another test, is what provokes an error.
fn is_provoked_elsewhere(entry: &Entry, form: usize, place: Place) -> bool {
    entry.code == ErrorCode::Unavailable
        && match UNAVAILABLE[form].1 {
            Where::Everywhere => false,
            Where::Planted => !cfg!(feature = "services"),
            storage => storage != place.kind,
        }
}

/// Takes note of an error: a row of the table, with the row's status and one of its messages.
fn note(provoked: &mut BTreeSet<(ErrorCode, usize)>, answer: &Answer) {
    let json = answer.json();
    // The answer to HEAD has no body.
    if answer.status < 400 || answer.body.is_empty() {
        return;
    }
    let number = json["error_code"].as_u64().and_then(|number| u32::try_from(number).ok());
    let code = number.and_then(ErrorCode::from_number).unwrap_or_else(|| panic!("{} {json}", answer.status));
    assert_eq!(answer.status, code.status(), "{json}");
    let entry = code.entry();
    let message = json["message"].as_str().unwrap();
    provoked.insert((code, form_of(entry, message).unwrap_or_else(|| panic!("not of {}: {json}", entry.name))));
}

/// The form that a message was made of.
fn form_of(entry: &Entry, message: &str) -> Option<usize> {
    forms(entry).iter().position(|form| {
        let (first, rest) = form.split_once("%s").map_or((&**form, None), |(first, rest)| (first, Some(rest)));
        let Some(mut left) = message.strip_prefix(first) else { return false };
        let Some(rest) = rest else { return left.is_empty() };
        let (middle, last) = rest.rsplit_once("%s").map_or((None, rest), |(middle, last)| (Some(middle), last));
        for piece in middle.into_iter().flat_map(|middle| middle.split("%s")) {
            let Some(at) = left.find(piece) else { return false };
            left = &left[at + piece.len()..];
        }
        left.ends_with(last)
    })
}

/// Shows what came back.
type Show<'a> = &'a mut dyn FnMut(&Answer);

/// Those that no case of an endpoint meets.
const PROVOCATIONS: &[fn(Place, Show<'_>)] = &[
    media_types,
    sizes,
    a_body_that_does_not_come,
    bodies_that_are_too_much_together,
    an_answer_that_takes_too_long,
    a_server_that_is_to_end,
    connections_that_are_too_many,
    the_old_number_of_an_incompatible_schema,
    modes_that_are_fixed,
    a_stored_schema_that_cannot_be_read,
    #[cfg(feature = "services")]
    a_handler_that_panics,
    #[cfg(feature = "services")]
    a_writer_that_always_comes_second,
];

fn media_types(place: Place, show: Show<'_>) {
    with_server(place.empty, |address| {
        let mut connection = Connection::open(address);
        show(&connection.send("GET", "/subjects", &[("Accept", "text/html")], None));
        show(&connection.send("POST", "/", &[("Content-Type", "text/html")], Some(b"{}")));
        let encoded = [JSON, ("Content-Encoding", "br")];
        show(&connection.send("POST", "/subjects/s/versions", &encoded, Some(INT)));
    });
}

fn sizes(place: Place, show: Show<'_>) {
    let change = |config: &mut ServerConfig| {
        (place.empty)(config);
        config.limits.url_bytes = 100;
        config.limits.header_bytes = 400;
        config.limits.header_count = 20;
        config.limits.body_bytes = 100;
    };
    with_server(change, |address| {
        let mut connection = Connection::open(address);
        show(&connection.send("GET", &format!("/{}", "x".repeat(100)), &[], None));
        show(&connection.send("GET", "/", &[("Authorization", &"x".repeat(400))], None));
        show(&connection.send("GET", "/", &[("X-Hop", "x"); 20], None));
        show(&Connection::open(address).send("GET", "/", &[("X-Hop", "x"); 96], None));
        show(&connection.send("POST", "/subjects/s/versions", &[JSON], Some(&[b' '; 101])));
    });
}

fn a_body_that_does_not_come(place: Place, show: Show<'_>) {
    let change = |config: &mut ServerConfig| {
        (place.empty)(config);
        config.http.body_timeout = Duration::from_millis(10);
    };
    with_server(change, |address| {
        show(&Connection::open(address).send("POST", "/subjects/s/versions", &[JSON, ("Content-Length", "9")], None));
    });
}

fn bodies_that_are_too_much_together(place: Place, show: Show<'_>) {
    const PATIENCE: Duration = Duration::from_secs(60);
    // What is stalled stays so meanwhile.
    const NEVER_TOO_LATE: Duration = Duration::from_secs(600);
    let change = |config: &mut ServerConfig| {
        (place.empty)(config);
        (config.limits.body_bytes, config.limits.bodies_bytes) = (100, 100);
        (config.http.body_timeout, config.http.keep_alive_timeout) = (NEVER_TOO_LATE, NEVER_TOO_LATE);
    };
    with_server(change, |address| {
        let mut stalled = TcpStream::connect(address).unwrap();
        let head = "POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
        stalled.write_all(head.as_bytes()).unwrap();
        let mut connection = Connection::open(address);
        let mut taken = || gauge(&mut connection, "schema_registry_http_bodies_bytes");
        wait_until("the stalled body to have begun", PATIENCE, || taken() == 1).unwrap();
        show(&connection.send("POST", "/subjects/s/versions", &[JSON], Some(&[b' '; 100])));
    });
}

fn an_answer_that_takes_too_long(place: Place, show: Show<'_>) {
    // Ten thousand fields are read on a thread of their own, which takes a multiple of this.
    let change = |config: &mut ServerConfig| {
        (place.empty)(config);
        config.http.request_timeout = Duration::from_millis(1);
    };
    let fields: Vec<_> =
        (0..10_000).map(|n| serde_json::json!({"name": format!("field_{n}"), "type": "int"})).collect();
    let schema = serde_json::json!({"type": "record", "name": "R", "fields": fields}).to_string();
    let body = serde_json::json!({ "schema": schema }).to_string();
    with_server(change, |address| {
        show(&Connection::open(address).send("POST", "/subjects/s/versions", &[JSON], Some(body.as_bytes())));
    });
}

fn a_server_that_is_to_end(place: Place, show: Show<'_>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut config = ServerConfig::ephemeral();
    (place.empty)(&mut config);
    let server = runtime.block_on(Server::start(config)).unwrap();
    let address = server.address;
    let mut end = Box::pin(server.stop());
    // Begun, and held up until it has answered.
    assert!(runtime.block_on(async { futures_util::poll!(&mut end) }).is_pending());
    show(&Connection::open(address).send("GET", "/health/ready", &[], None));
    runtime.block_on(end);
}

fn connections_that_are_too_many(place: Place, show: Show<'_>) {
    let change = |config: &mut ServerConfig| {
        (place.empty)(config);
        config.limits.connections = 1;
    };
    with_server(change, |address| {
        let mut first = Connection::open(address);
        first.send("GET", "/", &[], None);
        show(&Connection::open(address).send("GET", "/", &[], None));
    });
}

fn the_old_number_of_an_incompatible_schema(place: Place, show: Show<'_>) {
    let change = |config: &mut ServerConfig| {
        (place.empty)(config);
        config.incompatible_code = 409;
    };
    with_server(change, |address| {
        let mut connection = Connection::open(address);
        for schema in [INT, RECORD] {
            show(&connection.send("POST", "/subjects/s/versions", &[JSON], Some(schema)));
        }
    });
}

fn modes_that_are_fixed(place: Place, show: Show<'_>) {
    let change = |config: &mut ServerConfig| {
        (place.empty)(config);
        config.mode.mutability = false;
    };
    with_server(change, |address| {
        let mut connection = Connection::open(address);
        for path in ["/mode", "/mode/s", "/mode/:.c:?recursive=true", "/mode/:.__GLOBAL:"] {
            let put = connection.send("PUT", path, &[JSON], Some(br#"{"mode":"READONLY"}"#));
            let deleted = connection.send("DELETE", path, &[], None);
            for answer in [put, deleted] {
                let fixed = serde_json::json!({"error_code": 42205, "message": "Mode changes are not allowed"});
                assert_eq!((answer.status, answer.json()), (422, fixed), "{path}");
                show(&answer);
            }
        }
        assert_eq!(connection.send("GET", "/mode", &[], None).json()["mode"], "READWRITE");
        assert_eq!(connection.send("POST", "/subjects/s/versions", &[JSON], Some(INT)).status, 200);
    });
}

fn a_stored_schema_that_cannot_be_read(place: Place, show: Show<'_>) {
    let lasting = (place.lasting)();
    let change = |config: &mut ServerConfig| config.database = lasting.database.clone();
    with_server(change, |address| {
        let mut connection = Connection::open(address);
        assert_eq!(connection.send("POST", "/subjects/s/versions", &[JSON], Some(RECORD)).status, 200);
    });
    (lasting.spoil)(r#""type":"record""#, r#""type":"rexord""#);

    with_server(change, |address| {
        let mut connection = Connection::open(address);
        let path = "/compatibility/subjects/s/versions";
        show(&connection.send("POST", path, &[JSON], Some(INT)));
        // The others are served.
        assert_eq!(connection.send("POST", "/subjects/other/versions", &[JSON], Some(INT)).status, 200);
    });
}

#[cfg(feature = "services")]
fn a_handler_that_panics(place: Place, show: Show<'_>) {
    register_with("panic-in-a-turn", place, show);
}

#[cfg(feature = "services")]
fn a_writer_that_always_comes_second(place: Place, show: Show<'_>) {
    register_with("moved-each-time", place, show);
}

/// Registers a schema where this fault is planted.
#[cfg(feature = "services")]
fn register_with(mutant: &str, place: Place, show: Show<'_>) {
    let lasting = (place.lasting)();
    let Database::Url(url) = &lasting.database else { panic!("{:?}", lasting.database) };
    let (registry, address) = crate::registry_panics::start(mutant, &["--database", url]);
    show(&crate::registry_panics::register(&mut Connection::open(address), "of-client"));
    registry.stop().unwrap();
}
