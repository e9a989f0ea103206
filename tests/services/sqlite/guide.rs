//! The commands of `docs/running-on-sqlite.md`, as they stand there, while clients write.

use std::process::Command;

use end_to_end_tests::Registry;
use end_to_end_tests::binaries::workspace;
use end_to_end_tests::ledger::Ledger;
use end_to_end_tests::markdown::commands_with_programs;

/// Clients that write while the guide's commands run.
const WRITERS: usize = 4;

/// Answers to them before each command.
const ANSWERS: u64 = 40;

#[test]
fn every_command_of_the_guide_works_while_clients_write() {
    let guide = std::fs::read_to_string(workspace().join("docs/running-on-sqlite.md")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ledger = Ledger::new().unwrap();
    // By the address that the guide names. The first is the one that is backed up.
    let mut registries: Vec<(String, Registry)> = Vec::new();
    let (mut answered, mut answers) = (Vec::new(), Vec::new());

    for line in commands_with_programs(&guide) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["registry-server", "--listen", address, database @ ..] = words.as_slice() {
            // All of them in the folder of the first.
            let folder = registries.first().map(|(_, first)| format!("sqlite://{}/", first.folder().display()));
            let database = database.iter().map(|word| match &folder {
                Some(folder) => word.replace("sqlite://", folder),
                None => (*word).to_owned(),
            });
            let arguments: Vec<String> =
                ["--compatibility", "NONE"].map(str::to_owned).into_iter().chain(database).collect();
            let registry = Registry::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
            registries.push((format!("http://{address}"), registry));
            continue;
        }
        let command = registries.iter().fold(line.clone(), |line, (url, own)| line.replace(url, own.url()));
        let (_, first) = &registries[0];
        let run = || {
            if words[0] == "sqlite3" {
                answered = ledger.answered();
            }
            let output = Command::new("sh").args(["-ec", &command]).current_dir(first.folder()).output()?;
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            anyhow::ensure!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
            if words[0] == "curl" {
                answers.push(printed);
            }
            Ok(())
        };
        let urls = vec![first.url().to_owned(); WRITERS];
        runtime.block_on(ledger.write_until(&urls, ANSWERS, run)).unwrap_or_else(|error| panic!("`{line}`: {error:#}"));
    }

    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(answers[0].contains("\"version\":1") && answers[1].contains("\"subject\":\"orders\""), "{answers:?}");
    let [(_, first), (_, restored)] = &registries[..] else {
        panic!("the guide starts {} registries", registries.len())
    };
    assert!(answered.len() as u64 >= ANSWERS, "{} registers were answered before the backup", answered.len());
    runtime.block_on(ledger.check_copy(restored.url(), &answered)).unwrap();
    runtime.block_on(ledger.check_all(first.url())).unwrap();
}
