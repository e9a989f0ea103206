//! The commands of `docs/running-on-postgres.md`, as they stand there.

use std::collections::HashMap;
use std::process::Command;

use end_to_end_tests::Registry;
use end_to_end_tests::binaries::workspace;
use end_to_end_tests::markdown::commands;
use end_to_end_tests::services::postgres::Postgres;

#[test]
fn every_command_of_the_guide_works() {
    let guide = std::fs::read_to_string(workspace().join("docs/running-on-postgres.md")).unwrap();
    let postgres = Postgres::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let port = postgres.port().to_string();
    let variables = [("PGHOST", "127.0.0.1"), ("PGPORT", port.as_str()), ("PGUSER", postgres.user())];
    // By the port that the guide names.
    let mut registries: HashMap<String, Registry> = HashMap::new();
    let mut answers = Vec::new();

    for line in commands(&guide) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "registry-server" {
            assert_eq!([words[1], words[3]], ["--listen", "--database"], "{line}");
            let folder = tempfile::tempdir().unwrap();
            let registry = Registry::start_in(folder, &words[3..], &variables).unwrap();
            registries.insert(format!("http://{}", words[2]), registry);
            continue;
        }
        let command = registries.iter().fold(line.clone(), |line, (url, registry)| line.replace(url, registry.url()));
        let output = Command::new("sh")
            .args(["-ec", &command])
            .current_dir(folder.path())
            .env("PATH", format!("{}:{}", postgres.programs().display(), std::env::var("PATH").unwrap()))
            .envs(variables)
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
