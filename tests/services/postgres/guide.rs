//! The commands of `docs/running-on-postgres.md`, as they stand there.

use std::collections::HashMap;
use std::process::Command;

use end_to_end_tests::Registry;
use end_to_end_tests::binaries::workspace;
use end_to_end_tests::services::postgres::Postgres;

#[test]
fn every_command_of_the_guide_works() {
    let guide = std::fs::read_to_string(workspace().join("docs/running-on-postgres.md")).unwrap();
    let postgres = Postgres::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // By the port that the guide names.
    let mut registries: HashMap<String, Registry> = HashMap::new();
    let mut answers = Vec::new();

    for line in commands(&guide) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "registry-server" {
            assert_eq!([words[1], words[3]], ["--listen", "--database"], "{line}");
            let database = words[4].strip_prefix("postgres:///").unwrap();
            let registry = Registry::start(&["--database", &postgres.url(database)]).unwrap();
            registries.insert(format!("http://{}", words[2]), registry);
            continue;
        }
        let command =
            registries.iter().fold(line.to_owned(), |line, (url, registry)| line.replace(url, registry.url()));
        let output = Command::new("sh")
            .args(["-ec", &command])
            .current_dir(folder.path())
            .env("PATH", format!("{}:{}", postgres.programs().display(), std::env::var("PATH").unwrap()))
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", postgres.port().to_string())
            .env("PGUSER", postgres.user())
            .output()
            .unwrap();
        let (printed, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "`{line}`: {printed}{complaint}");
        if words[0] == "curl" {
            answers.push(printed.into_owned());
        }
    }

    let told = ["\"id\":1", "\"subject\":\"orders\"", "UP", "\"subject\":\"orders\""];
    assert_eq!(answers.len(), told.len(), "{answers:?}");
    for (answer, told) in answers.iter().zip(told) {
        assert!(answer.contains(told), "{answer} does not tell {told}");
    }
}

/// The lines between the fences of `sh`.
fn commands(guide: &str) -> Vec<&str> {
    let mut is_command = false;
    let mut commands = Vec::new();
    for line in guide.lines() {
        match line {
            "```sh" => is_command = true,
            "```" => is_command = false,
            _ if is_command => commands.push(line),
            _ => {}
        }
    }
    commands
}
