//! Every command of README.md, CONTRIBUTING.md and docs/schemas.md works as it stands there.
//!
//! In the README and the guide `cargo run [--release] --bin X --` and `cargo build` are replaced by the built binaries,
//! and `./test` by a check that it is there. Of CONTRIBUTING.md, whose commands build everything in several ways, the
//! names are checked. With `./test --long` nothing is replaced and the commands of README.md and CONTRIBUTING.md run in
//! a fresh clone. Those that need Apache Kafka are run by `tests/services/kafka/readme_commands.rs`.

mod dependencies;
mod names;
mod shell;

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use end_to_end_tests::binaries::workspace;
use end_to_end_tests::markdown::{
    PROGRAMS_AS_COMMANDS, answers, commands, commands_with, commands_with_programs, services,
};

use self::names::Names;
use self::shell::Shell;

#[test]
fn every_command_works() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).expect("README.md is there");
    let commands = commands(&readme);
    let programs = ["cargo run --release --bin sr -- demo", "./test", "cargo run --release --bin registry-server"];
    for must in programs.into_iter().chain(PROGRAMS_AS_COMMANDS) {
        assert!(commands.iter().any(|command| command == must), "the README does not show `{must}`");
    }
    assert_eq!(services(&readme), ["kafka"], "nobody runs what needs another service");

    let literally = std::env::var_os("SR_LONG").is_some();
    let _turn = literally.then(own_port);
    let mut shell = if literally { Shell::in_a_fresh_clone() } else { Shell::with_built_binaries() }.unwrap();
    let mut answers = Vec::new();
    for command in commands {
        let printed = shell.run(&command).unwrap_or_else(|error| panic!("`{command}`: {error:#}"));
        if command.starts_with("curl ") {
            answers.push(printed);
        }
    }
    for program in ["registry-server --version", "sr --help"] {
        shell.run(program).unwrap_or_else(|error| panic!("`{program}` is no command then: {error:#}"));
    }
    let told: &[&[&str]] = &[
        &["\"id\":1,", "\"version\":1,"],
        &["\"error_code\":40901", "{hint: "],
        &["\"is_compatible\":false", "READER_FIELD_MISSING_DEFAULT_VALUE", "/fields/1", "{hint: "],
        &["\"id\":2,", "\"version\":2,"],
        &["\"version\":2,", "\\\"default\\\":\\\"free\\\""],
        &["\"compatibility\":\"FULL_TRANSITIVE\""],
    ];
    assert_eq!(answers.len(), told.len(), "{answers:#?}");
    for (answer, told) in answers.iter().zip(told) {
        assert!(told.iter().all(|part| answer.contains(part)), "{answer} does not tell {told:?}");
    }
}

#[test]
fn every_command_of_the_guide_on_schemas_is_answered_as_it_says() {
    let guide = std::fs::read_to_string(workspace().join("docs/schemas.md")).unwrap();
    let mut shell = Shell::with_built_binaries().unwrap();
    let mut answered = Vec::new();
    for command in commands(&guide) {
        let printed = shell.run(&command).unwrap_or_else(|error| panic!("`{command}`: {error:#}"));
        if command.starts_with("curl ") {
            answered.push(without_time(&printed));
        }
    }

    let told: Vec<String> = answers(&guide).into_iter().map(without_time).collect();
    assert!(answered.len() > 10, "{answered:#?}");
    assert_eq!(answered, told);
}

/// An answer without the time of its version.
fn without_time(answer: &str) -> String {
    let (before, after) = answer.trim_end().split_once("\"ts\":").unwrap_or((answer.trim_end(), ""));
    format!("{before}{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

#[test]
fn help_of_the_test_script_is_no_failure() {
    let run = |argument| Command::new(workspace().join("test")).arg(argument).output().unwrap();

    let (help, wrong) = (run("--help"), run("--lnog"));

    let told = "./test --long";
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains(told), "{help:?}");
    assert!(wrong.status.code() == Some(2) && String::from_utf8_lossy(&wrong.stderr).contains(told), "{wrong:?}");
}

/// Commands that are run literally want port 8081: one test after the other.
fn own_port() -> MutexGuard<'static, ()> {
    static PORT: Mutex<()> = Mutex::new(());
    PORT.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn pages_that_name_the_programs_tell_how_to_have_them() {
    for page in ["running-on-sqlite.md", "running-on-postgres.md", "tuning.md"] {
        let text = std::fs::read_to_string(workspace().join("docs").join(page)).unwrap();
        let _ = commands_with_programs(&text);
    }
}

#[test]
fn every_command_of_contributing_works() {
    let text = std::fs::read_to_string(workspace().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md is there");
    let commands = commands(&text);
    assert!(commands.iter().any(|command| command == "cargo fmt --all"), "{commands:?}");

    let names = Names::of_the_workspace().unwrap();
    for command in &commands {
        names.check(command).unwrap_or_else(|error| panic!("`{command}`: {error:#}"));
    }
    if std::env::var_os("SR_LONG").is_some() {
        let _turn = own_port();
        let mut shell = Shell::in_a_fresh_clone().unwrap();
        // `./test` is run by the README's commands; `./test --long` would run this test again.
        for command in commands.iter().filter(|command| !command.starts_with("./test")) {
            shell.run(command).unwrap_or_else(|error| panic!("`{command}`: {error:#}"));
        }
    }
}

#[test]
fn planted_names_that_are_not_there_are_found() {
    let names = Names::of_the_workspace().unwrap();

    for command in ["cargo test -p no-such-crate", "cargo run --bin no-such-binary", "./no-such-file"] {
        assert!(names.check(command).is_err(), "{command}");
    }
    for command in ["cargo bench -p producer-core --features no-such", "cargo unheard-of"] {
        assert!(names.check(command).is_err(), "{command}");
    }
    names.check("cargo bench -p producer-core --features testing --bench append  # a comment").unwrap();
}

#[test]
fn planted_commands_that_do_not_work_are_found() {
    let readme = "\
Text with `false` in it.

```sh
# Comments are not run.
echo first > file
cat \\
    file
```

```rust
let not = \"a command\";
```

```sh kafka
echo not without a broker
```

```console
$ cargo run --bin no-such-binary -- --flag
what it prints
$ cargo build
$ cat missing
```
";
    assert_eq!(services(readme), ["kafka"]);
    assert_eq!(commands_with("kafka", readme), ["echo not without a broker"]);
    let commands = commands(readme);
    assert_eq!(
        commands,
        [
            "echo first > file",
            "cat \\\n    file",
            "cargo run --bin no-such-binary -- --flag",
            "cargo build",
            "cat missing"
        ]
    );

    let mut shell = Shell::with_built_binaries().unwrap();
    let worked: Vec<bool> = commands.iter().map(|command| shell.run(command).is_ok()).collect();

    assert_eq!(worked, [true, true, false, false, false]);
}

/// The README's programs are the examples of avro-serde, which are compiled with the tests.
#[test]
fn every_program_is_an_example_that_compiles() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).expect("README.md is there");
    let programs: Vec<&str> = readme.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();

    assert_eq!(programs.len(), 2);
    for (program, example) in programs.iter().zip(["producer.rs", "reader.rs"]) {
        let text = std::fs::read_to_string(workspace().join("avro-serde/examples").join(example)).unwrap();
        let without_docs: String =
            text.split_inclusive('\n').skip_while(|line| line.trim().is_empty() || line.starts_with("//!")).collect();
        assert_eq!(*program, without_docs, "{example}");
    }
}
