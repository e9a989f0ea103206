//! The migrations of each backend, carried in the binary, and how they are applied.
//!
//! The rules for new files stand in `migrations/README.md`. A test compares these lists with the folders.

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqlStr};

use super::{StoreError, StoreErrorKind};

const OPERATION: &str = "migrate the database";

/// A migration file: number, name and text.
type File = (i64, &'static str, &'static str);

/// The migrations of a database.
pub(super) struct Steps {
    /// In the order they are applied.
    pub(super) files: &'static [File],
    /// What the database's errors mean.
    pub(super) failure: fn(&'static str, sqlx::Error) -> StoreError,
}

#[cfg(any(test, feature = "testing"))]
impl Steps {
    /// Those that an earlier release carried.
    pub(super) fn up_to(&self, last: usize) -> Self {
        Self { files: &self.files[..last], failure: self.failure }
    }
}

/// SQLite's.
pub(super) const SQLITE: Steps = Steps {
    files: &[
        (1, "layout", include_str!("../../../migrations/sqlite/0001_layout.sql")),
        (2, "scopes", include_str!("../../../migrations/sqlite/0002_scopes.sql")),
        (3, "versions_by_id", include_str!("../../../migrations/sqlite/0003_versions_by_id.sql")),
        (4, "contents_by_guid", include_str!("../../../migrations/sqlite/0004_contents_by_guid.sql")),
    ],
    failure: super::sqlite::failure,
};

/// PostgreSQL's.
pub(super) const POSTGRES: Steps = Steps {
    files: &[
        (1, "layout", include_str!("../../../migrations/postgres/0001_layout.sql")),
        (2, "scopes", include_str!("../../../migrations/postgres/0002_scopes.sql")),
        (3, "versions_by_id", include_str!("../../../migrations/postgres/0003_versions_by_id.sql")),
        (4, "contents_by_guid", include_str!("../../../migrations/postgres/0004_contents_by_guid.sql")),
    ],
    failure: super::postgres::failure,
};

/// Applies what the database lacks, each file in a transaction of its own, and checks what it has.
///
/// `database` names the database in errors.
/// Several processes must not do this at once.
pub(super) async fn run<C: Migrate>(steps: &Steps, connection: &mut C, database: &str) -> Result<(), StoreError> {
    let migrations = steps
        .files
        .iter()
        .map(|&(number, name, text)| {
            let text: SqlStr = text.into_sql_str();
            Migration::new(number, name.into(), MigrationType::Simple, text, false)
        })
        .collect();

    Migrator::with_migrations(migrations)
        // Where several processes may start, the caller holds a lock that ends with its transaction.
        .set_locking(false)
        .run_direct(None, connection, false)
        .await
        .map_err(|error| explain(error, steps, database))
}

/// Turns the migrator's error into one that says what to do.
fn explain(error: MigrateError, steps: &Steps, database: &str) -> StoreError {
    let newest = steps.files.last().map_or(0, |file| file.0);
    let advice = match error {
        MigrateError::VersionMissing(number) => format!(
            "`{database}` was written by a newer server: it has migration {number}, this server knows up to {newest}; \
             start the newer server, or restore the copy that was made before the upgrade"
        ),
        MigrateError::VersionMismatch(number) => format!(
            "`{database}` was made with another text of migration {number} than this server carries; \
             start the server that wrote it, or restore a copy"
        ),
        MigrateError::Dirty(number) => {
            format!(
                "migration {number} of `{database}` stopped half way; restore the copy that was made before the upgrade"
            )
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            return (steps.failure)(OPERATION, error);
        }
        other => other.to_string(),
    };

    StoreError::new(OPERATION, StoreErrorKind::Setup, advice)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const BOTH: [(&str, &Steps); 2] = [("sqlite", &SQLITE), ("postgres", &POSTGRES)];

    #[test]
    fn the_lists_are_the_folders() {
        for (name, steps) in BOTH {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(name);
            let mut on_disk: Vec<(String, String)> = fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap())
                .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
                .collect();
            on_disk.sort();

            let files = steps.files.iter();
            let carried: Vec<(String, String)> =
                files.map(|(number, name, text)| (format!("{number:04}_{name}.sql"), (*text).to_owned())).collect();

            assert_eq!(carried, on_disk);
        }
    }

    /// What a release that runs beside the new one may trip over. An index may go: no statement names one.
    const CONTRACTING: &[&str] = &[
        "DROP TABLE",
        "DROP COLUMN",
        "DROP SEQUENCE",
        "RENAME",
        "ALTER COLUMN",
        "CREATE UNIQUE INDEX",
        "ADD CONSTRAINT",
        "CREATE TRIGGER",
        "UPDATE",
        "DELETE FROM",
    ];

    /// Migrations that contract or rewrite, each with the reason why no release can trip over it.
    const MAY_CONTRACT: &[(i64, &str)] = &[(
        2,
        "no release has had the first layout; new columns are filled, and global settings move to the default context",
    )];

    /// What of a migration's text is [`CONTRACTING`], comments and what foreign keys do aside.
    fn contracting(text: &str) -> Vec<&'static str> {
        let lines = text.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code));
        let code = lines.collect::<Vec<_>>().join(" ").to_uppercase();
        let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
        let code = code.replace("ON DELETE", "").replace("ON UPDATE", "").replace("DO UPDATE", "");
        CONTRACTING.iter().filter(|word| code.contains(**word)).copied().collect()
    }

    #[test]
    fn migrations_after_the_first_take_nothing_from_the_release_before() {
        for (name, steps) in BOTH {
            for (number, _, text) in &steps.files[1..] {
                let found = contracting(text);
                let is_known = MAY_CONTRACT.iter().any(|(known, _)| known == number);
                assert_eq!(!found.is_empty(), is_known, "migration {number} of {name}: {found:?}");
            }
        }
    }

    #[test]
    fn what_contracts_is_found_wherever_it_stands() {
        assert_eq!(contracting("alter table a\n  drop\n  column b;"), ["DROP COLUMN"]);
        assert_eq!(contracting("ALTER TABLE a RENAME TO b; DELETE FROM c;"), ["RENAME", "DELETE FROM"]);
        assert_eq!(
            contracting("-- DROP TABLE a\nDROP INDEX i;\nCREATE TABLE t (a TEXT REFERENCES b ON DELETE CASCADE);"),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn numbers_have_no_gaps() {
        for (_, steps) in BOTH {
            let numbers: Vec<i64> = steps.files.iter().map(|file| file.0).collect();

            assert_eq!(numbers, (1..=i64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
        }
    }
}
