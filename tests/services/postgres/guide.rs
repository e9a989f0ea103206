//! The commands of `docs/running-on-postgres.md`, as they stand there.
//!
//! But for the build, which the README's test runs, and three more: nothing is installed, only asked whether it could
//! be; who is `postgres` there is the owner of this test's server; and the port is that server's.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use end_to_end_tests::binaries::workspace;
use end_to_end_tests::markdown::{commands_with_programs, services};
use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::{Registry, wait_until};
use tempfile::TempDir;

/// A line that the system's owner of PostgreSQL runs.
const AS_OWNER: &str = "sudo -u postgres ";

/// How the question begins who keeps something locked.
const WHO_LOCKS: &str = "psql registry --command \"SELECT DISTINCT pid, ";

/// What locks rows or a table until its transaction ends.
const LOCKS: [&str; 3] =
    ["UPDATE subjects SET revision = revision", "SELECT FROM contexts FOR UPDATE", "LOCK TABLE versions"];

/// How long a session may take to begin or to end.
const SESSION_PATIENCE: Duration = Duration::from_secs(30);

/// A line that root runs.
const AS_ROOT: &str = "sudo ";

/// The server of the guide, and what a reader's shell has by now.
struct Reader {
    postgres: Postgres,
    folder: TempDir,
    /// What `export` has set.
    exported: Vec<(String, String)>,
    /// By the address that the guide names.
    registries: HashMap<String, Registry>,
}

impl Reader {
    /// As the package's own rules have it, the role comes in from here by its password alone.
    fn start() -> Self {
        let postgres = Postgres::start().unwrap();
        let rules = "host all registry 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
        postgres.set_access(rules).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { postgres, folder, exported: Vec::new(), registries: HashMap::new() }
    }

    /// Runs a line; what it printed, if it is a program that ends.
    fn run(&mut self, line: &str) -> Option<String> {
        if let Some(pairs) = line.strip_prefix("export ") {
            let pairs = pairs.split_whitespace().map(|pair| pair.split_once('=').unwrap());
            self.exported.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            return None;
        }
        if line.starts_with("registry-server ") {
            self.start_registry(line);
            return None;
        }
        let output = match (line.strip_prefix(AS_OWNER), line.strip_prefix(AS_ROOT)) {
            (Some(line), _) => {
                let owner = [("PGHOST", "127.0.0.1"), ("PGUSER", self.postgres.user()), ("PGDATABASE", "postgres")];
                self.shell(line).envs(owner).output()
            }
            (None, Some(line)) => self.shell(&line.replace("apt-get ", "apt-get --simulate ")).output(),
            (None, None) => {
                let line =
                    self.registries.iter().fold(line.to_owned(), |line, (url, own)| line.replace(url, own.url()));
                self.shell(&line).envs(self.exported.iter().cloned()).output()
            }
        };
        let Output { status, stdout, stderr } = output.unwrap();
        let (printed, complaint) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "`{line}`: {printed}{complaint}");
        Some(printed.into_owned())
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        let path = format!("{}:{}", self.postgres.programs().display(), std::env::var("PATH").unwrap());
        shell.args(["-ec", line]).current_dir(self.folder.path());
        shell.env("PATH", path).env("PGPORT", self.postgres.port().to_string());
        shell
    }

    /// Asks who keeps something locked as the role of the registries: nobody, then each kind of lock, of this and of
    /// another role.
    fn ask_who_locks(&mut self, line: &str) {
        assert!(self.run(line).unwrap().contains("(0 rows)"));
        let other = self.postgres.user();
        for (statement, role) in LOCKS.into_iter().flat_map(|lock| [(lock, "registry"), (lock, other)]) {
            let session = Session::start(self, role, statement);

            let told = self.run(line).unwrap();

            let row = told.lines().find(|row| row.split('|').map(str::trim).take(2).eq([&*session.pid, role]));
            assert!(row.is_some() && told.contains("(1 row)"), "{statement} of {role}, {}:\n{told}", session.pid);
            // Of its own sessions a role is told all.
            assert_eq!(told.contains(statement), role == "registry", "{told}");
            session.end(self);
        }
    }

    fn start_registry(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!([words[1], words[3]], ["--listen", "--database"], "{line}");
        let port = self.postgres.port().to_string();
        let mut variables: Vec<(&str, &str)> = vec![("PGPORT", &port)];
        variables.extend(self.exported.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let registry = Registry::start_in(tempfile::tempdir().unwrap(), &words[3..], &variables).unwrap();
        self.registries.insert(format!("http://{}", words[2]), registry);
    }
}

/// Somebody who has forgotten to end a transaction.
struct Session {
    psql: Child,
    pid: String,
}

impl Session {
    fn start(reader: &Reader, role: &str, statement: &str) -> Self {
        let mut psql = reader.shell("exec psql --no-psqlrc --quiet registry");
        psql.envs(reader.exported.iter().cloned()).env("PGUSER", role);
        let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        writeln!(psql.stdin.as_mut().unwrap(), "BEGIN;\n{statement};").unwrap();
        let pid = Self::pid(reader, |pid| !pid.is_empty());
        Self { psql, pid }
    }

    /// The process of the server that has done something and waits for the end of the transaction, once it is so.
    fn pid(reader: &Reader, is_so: impl Fn(&str) -> bool) -> String {
        let sessions = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' \
                        AND datname = 'registry' AND application_name = 'psql' AND query NOT LIKE 'BEGIN%'";
        let ask = || reader.postgres.psql("postgres", sessions).unwrap();
        wait_until("a session of psql", SESSION_PATIENCE, || is_so(&ask())).unwrap();
        ask()
    }

    fn end(mut self, reader: &Reader) {
        drop(self.psql.stdin.take());
        self.psql.wait().unwrap();
        Self::pid(reader, str::is_empty);
    }
}

#[test]
fn every_command_of_the_guide_works() {
    let guide = std::fs::read_to_string(workspace().join("docs/running-on-postgres.md")).unwrap();
    assert_eq!(services(&guide), Vec::<&str>::new());
    let mut reader = Reader::start();
    let mut answers = Vec::new();
    let mut asked = 0;

    for line in commands_with_programs(&guide) {
        if line.starts_with(WHO_LOCKS) {
            reader.ask_who_locks(&line);
            asked += 1;
        }
        let printed = reader.run(&line);
        answers.extend(printed.filter(|_| line.starts_with("curl ")));
    }

    assert_eq!(asked, 1, "who keeps something locked");
    let told = ["\"id\":1", "\"subject\":\"orders\"", "UP", "\"subject\":\"orders\""];
    assert_eq!(answers.len(), told.len(), "{answers:?}");
    for (answer, told) in answers.iter().zip(told) {
        assert!(answer.contains(told), "{answer} does not tell {told}");
    }
}
