//! The commands of `docs/running-on-postgres.md`, as they stand there.
//!
//! But for the build, which the README's test runs, and three more: nothing is installed, only asked whether it could
//! be; who is `postgres` there is the owner of this test's server; and the port is that server's.

use std::collections::HashMap;
use std::process::{Command, Output};

use end_to_end_tests::Registry;
use end_to_end_tests::binaries::workspace;
use end_to_end_tests::markdown::{commands_with_programs, services};
use end_to_end_tests::services::postgres::Postgres;
use tempfile::TempDir;

/// A line that the system's owner of PostgreSQL runs.
const AS_OWNER: &str = "sudo -u postgres ";

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

#[test]
fn every_command_of_the_guide_works() {
    let guide = std::fs::read_to_string(workspace().join("docs/running-on-postgres.md")).unwrap();
    assert_eq!(services(&guide), Vec::<&str>::new());
    let mut reader = Reader::start();
    let mut answers = Vec::new();

    for line in commands_with_programs(&guide) {
        let printed = reader.run(&line);
        answers.extend(printed.filter(|_| line.starts_with("curl ")));
    }

    let told = ["\"id\":1", "\"subject\":\"orders\"", "UP", "\"subject\":\"orders\""];
    assert_eq!(answers.len(), told.len(), "{answers:?}");
    for (answer, told) in answers.iter().zip(told) {
        assert!(answer.contains(told), "{answer} does not tell {told}");
    }
}
