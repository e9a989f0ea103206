//! How SQLite finds what statements ask for: not by walking through everything of a context.

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::super::super::migrations;
use super::plan;

/// Statements that look for the versions of an id.
const BY_ID: [(&str, &str); 7] = [
    ("select_schema_uses", include_str!("../../sql/select_schema_uses.sql")),
    ("select_first_referred", include_str!("../../sql/select_first_referred.sql")),
    ("select_referrers", include_str!("../../sql/select_referrers.sql")),
    ("select_blocked", include_str!("../../sql/select_blocked.sql")),
    ("remove_references_of_versions", include_str!("../../sql/remove_references_of_versions.sql")),
    ("prefer_remaining_ids", include_str!("../../sql/prefer_remaining_ids_sqlite.sql")),
    ("remove_unused_schemas", include_str!("../../sql/remove_unused_schemas_sqlite.sql")),
];

#[tokio::test]
async fn the_versions_of_an_id_are_found_by_an_index() {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    migrations::run(&migrations::SQLITE, &mut connection, "an empty database").await.unwrap();

    for (name, statement) in BY_ID {
        let steps = plan(&mut connection, statement).await;

        assert!(steps.iter().any(|step| step.contains("versions_by_id (context=? AND id=?)")), "{name}: {steps:?}");
        assert!(!steps.iter().any(|step| step.ends_with("PRIMARY KEY (context=?)")), "{name}: {steps:?}");
    }
}

/// Statements about one subject, among them those of its way into IMPORT.
const OF_A_SUBJECT: [(&str, &str); 5] = [
    ("select_first_referred", include_str!("../../sql/select_first_referred.sql")),
    ("select_is_live", include_str!("../../sql/select_is_live.sql")),
    ("select_blocked", include_str!("../../sql/select_blocked.sql")),
    ("remove_references_of_versions", include_str!("../../sql/remove_references_of_versions.sql")),
    ("remove_versions", include_str!("../../sql/remove_versions.sql")),
];

/// Statements about one context, those of its way into IMPORT.
const OF_A_CONTEXT: [(&str, &str); 9] = [
    ("select_is_live_in_context", include_str!("../../sql/select_is_live_in_context.sql")),
    ("select_has_versions", include_str!("../../sql/select_has_versions.sql")),
    ("select_blocked_in_context", include_str!("../../sql/select_blocked_in_context.sql")),
    ("remove_references_in_context", include_str!("../../sql/remove_references_in_context.sql")),
    ("remove_versions_in_context", include_str!("../../sql/remove_versions_in_context.sql")),
    ("remove_preferred_ids_in_context", include_str!("../../sql/remove_preferred_ids_in_context.sql")),
    ("remove_schemas_in_context", include_str!("../../sql/remove_schemas_in_context.sql")),
    ("clear_subjects", include_str!("../../sql/clear_subjects.sql")),
    ("remove_idle_subjects", include_str!("../../sql/remove_idle_subjects.sql")),
];

#[tokio::test]
async fn what_is_asked_about_one_subject_or_context_walks_through_no_table() {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    migrations::run(&migrations::SQLITE, &mut connection, "an empty database").await.unwrap();

    for (name, statement) in OF_A_SUBJECT.into_iter().chain(OF_A_CONTEXT) {
        let steps = plan(&mut connection, statement).await;

        // `SCAN CONSTANT ROW` is none.
        let walks = steps.iter().find(|step| step.starts_with("SCAN ") && !step.contains("CONSTANT ROW"));
        assert_eq!(walks, None, "{name}: {steps:?}");
    }
}

#[tokio::test]
async fn a_page_of_a_list_reads_nothing_behind_its_end() {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    migrations::run(&migrations::SQLITE, &mut connection, "an empty database").await.unwrap();

    for (statement, range) in [
        (include_str!("../../sql/select_subjects.sql"), "(context=? AND subject>? AND subject<?)"),
        (include_str!("../../sql/select_versions_in.sql"), "(context=? AND (subject,version)>(?,?) AND subject<?)"),
    ] {
        let steps = plan(&mut connection, statement).await;

        assert!(steps.iter().any(|step| step.ends_with(range)), "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
    }
}
