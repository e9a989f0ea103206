//! Who may import whom: the arrows of ARCHITECTURE.md as tables.

use super::source::{code_only, paths, without_tests};

/// A module may name only these modules of its own crate, besides itself.
struct Allowed {
    package: &'static str,
    module: &'static str,
    modules: &'static [&'static str],
}

/// Files whose path begins so may not name paths that begin so.
struct Banned {
    folders: &'static [&'static str],
    except: &'static [&'static str],
    paths: &'static [&'static str],
}

const ALLOWED: &[Allowed] = &[
    // registry-server: main -> server -> routes -> http -> registry -> store.
    allowed("registry-server", "routes", &["http", "registry", "config"]),
    allowed("registry-server", "http", &["registry", "config", "clock", "metrics"]),
    allowed("registry-server", "registry", &["store", "config", "metrics"]),
    allowed("registry-server", "store", &["config", "metrics"]),
    allowed("registry-server", "metrics", &[]),
    // schema-core: the REST bodies know the nouns and the codes, the levels know no format.
    allowed("schema-core", "wire", &["schema", "error_code", "tags"]),
    allowed("schema-core", "compatibility", &["format", "schema", "error"]),
    allowed("schema-core", "schema", &[]),
    // avro-serde: a codec is pure computation, the frame is bytes.
    allowed("avro-serde", "framing", &["error"]),
    allowed("avro-serde", "codec", &["error", "config"]),
    allowed("avro-serde", "subject", &["error", "framing"]),
    allowed("avro-serde", "registry", &["error", "config", "framing"]),
    // producer-core: a record meets the modules in this order. Record and node are leaves; settings name addresses and
    // partitioners; an error carries the connection's, and the record that it gives back.
    allowed("producer-core", "config", &["connection", "partitioner", "nearest"]),
    allowed(
        "producer-core",
        "producer",
        &[
            "serializer",
            "partitioner",
            "accumulator",
            "metadata",
            "delivery",
            "sender",
            "metrics",
            "connection",
            "node",
            "shield",
            "record",
            "config",
            "error",
        ],
    ),
    allowed("producer-core", "serializer", &["record", "error"]),
    allowed("producer-core", "partitioner", &["record", "config", "error"]),
    allowed(
        "producer-core",
        "accumulator",
        &["partitioner", "compression", "delivery", "node", "record", "config", "error"],
    ),
    allowed(
        "producer-core",
        "sender",
        &[
            "accumulator",
            "compression",
            "metadata",
            "metrics",
            "connection",
            "delivery",
            "backoff",
            "error_code",
            "node",
            "record",
            "config",
            "error",
        ],
    ),
    allowed("producer-core", "compression", &["config", "error"]),
    allowed("producer-core", "metadata", &["connection", "backoff", "error_code", "node", "config", "error"]),
    // Sees the sockets go by, and is told the rest.
    allowed("producer-core", "metrics", &["connection"]),
    allowed("producer-core", "delivery", &["shield", "record", "config", "error"]),
    allowed("producer-core", "connection", &["backoff", "error_code", "config", "error"]),
    allowed(
        "producer-core",
        "reader",
        &[
            "bootstrap",
            "stored_batch",
            "connection",
            "metadata",
            "compression",
            "error_code",
            "record",
            "config",
            "error",
        ],
    ),
    allowed(
        "producer-core",
        "admin",
        &["bootstrap", "connection", "metadata", "error_code", "nearest", "config", "error"],
    ),
    // What the reader and the admin calls share.
    allowed("producer-core", "bootstrap", &["connection", "metadata", "config", "error"]),
    allowed("producer-core", "stored_batch", &["compression", "record"]),
    allowed("producer-core", "error", &["connection", "record"]),
    allowed("producer-core", "error_code", &[]),
    allowed("producer-core", "backoff", &[]),
    allowed("producer-core", "nearest", &[]),
    allowed("producer-core", "node", &[]),
    allowed("producer-core", "shield", &[]),
    allowed("producer-core", "record", &[]),
];

const BANNED: &[Banned] = &[
    banned(&["registry-server/src/http/"], &[], &["sqlx"]),
    banned(&["registry-server/src/registry/"], &[], &["actix_web", "sqlx"]),
    banned(&["registry-server/src/store/"], &[], &["actix_web", "schema_core::format"]),
    banned(&["schema-core/src/"], &[], &["tokio", "reqwest", "sqlx", "std::net", "std::fs"]),
    // Levels work on the trait of a parsed schema, whatever its format.
    banned(&["schema-core/src/compatibility"], &[], &["crate::format::avro", "crate::format::json"]),
    // The REST shape and the inner shape move apart.
    banned(&["schema-core/src/schema.rs"], &[], &["serde"]),
    banned(&["avro-serde/src/codec"], &[], &["reqwest", "moka", "tokio"]),
    banned(&["avro-serde/src/framing.rs"], &[], &["producer_core", "reqwest", "tokio"]),
    banned(
        &["producer-core/src/"],
        &[
            "producer-core/src/connection/",
            "producer-core/src/sender/request.rs",
            "producer-core/src/sender/response.rs",
            "producer-core/src/sender/idempotence.rs",
            "producer-core/src/compression/",
            "producer-core/src/metadata.rs",
            "producer-core/src/metadata/",
            "producer-core/src/reader.rs",
            "producer-core/src/reader/",
            "producer-core/src/admin.rs",
            "producer-core/src/bootstrap.rs",
            "producer-core/src/stored_batch.rs",
            "producer-core/src/testing/",
        ],
        &["kafka_protocol"],
    ),
];

const fn allowed(package: &'static str, module: &'static str, modules: &'static [&'static str]) -> Allowed {
    Allowed { package, module, modules }
}

const fn banned(
    folders: &'static [&'static str],
    except: &'static [&'static str],
    paths: &'static [&'static str],
) -> Banned {
    Banned { folders, except, paths }
}

/// What a file imports against the rules.
pub(super) fn problems(path: &str, text: &str) -> Vec<String> {
    let Some((package, module)) = place(path) else { return Vec::new() };
    let code = code_only(text);
    let named = paths(without_tests(&code));
    let mut problems = Vec::new();
    for name in named.iter().map(|name| resolve(name, &module)) {
        for rule in BANNED {
            let applies = rule.folders.iter().any(|folder| path.starts_with(folder))
                && !rule.except.iter().any(|folder| path.starts_with(folder));
            if applies && rule.paths.iter().any(|banned| begins_with(&name, banned)) {
                problems.push(format!("{path}: must not name `{name}`"));
            }
        }
        let rule = ALLOWED.iter().find(|rule| rule.package == package && module.first() == Some(&rule.module));
        if let (Some(rule), Some(target)) = (rule, own_module(&name))
            && target != rule.module
            && !rule.modules.contains(&target)
        {
            problems.push(format!("{path}: `{}` must not name `{name}`", rule.module));
        }
        if package == "schema-core" && crosses_formats(&module, &name) {
            problems.push(format!("{path}: a format must not name another: `{name}`"));
        }
    }
    problems.sort();
    problems.dedup();
    problems
}

/// Package and module path of a source file; nothing for the files that may name everything (the crate
/// root, the binaries) and for tests.
fn place(path: &str) -> Option<(&str, Vec<&str>)> {
    let (package, file) = path.split_once("/src/")?;
    let mut module: Vec<&str> = file.strip_suffix(".rs")?.split('/').collect();
    if matches!(module[..], ["lib" | "main"]) || module[0] == "bin" || module.contains(&"tests") {
        return None;
    }
    if module.last() == Some(&"mod") {
        module.pop();
    }
    Some((package, module))
}

/// A path as seen from the crate root: `self` and `super` are followed.
fn resolve(name: &str, module: &[&str]) -> String {
    let mut parts: Vec<&str> = name.split("::").collect();
    let mut at = module.to_vec();
    let mut relative = false;
    while let Some(first @ ("self" | "super")) = parts.first().copied() {
        relative = true;
        if first == "super" {
            at.pop();
        }
        parts.remove(0);
    }
    if !relative {
        return name.to_owned();
    }
    let whole: Vec<&str> = ["crate"].into_iter().chain(at).chain(parts).collect();
    whole.join("::")
}

/// The module in `crate::module::...`; items re-exported at the root (in capitals) say nothing.
fn own_module(name: &str) -> Option<&str> {
    let module = name.strip_prefix("crate::")?.split("::").next()?;
    module.chars().next().filter(|first| first.is_lowercase())?;
    Some(module)
}

fn crosses_formats(module: &[&str], name: &str) -> bool {
    let ["format", own, ..] = module else { return false };
    let Some(other) = name.strip_prefix("crate::format::") else { return false };
    let other = other.split("::").next().unwrap_or_default();
    ["avro", "json", "protobuf", "thrift"].contains(&other) && other != *own
}

fn begins_with(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn planted_imports_are_found() {
    let planted = [
        ("registry-server/src/http/versions.rs", "use crate::store::Store;"),
        ("registry-server/src/http/versions.rs", "use crate::{registry::Registry, store::Store};"),
        ("registry-server/src/http/versions.rs", "fn f() { sqlx::query(1) }"),
        ("registry-server/src/http/mod.rs", "use crate::routes::ROUTES;"),
        ("registry-server/src/registry/register.rs", "use actix_web::HttpResponse;"),
        ("registry-server/src/registry/register.rs", "use crate::http::error;"),
        ("registry-server/src/store/sqlite.rs", "use super::super::registry::Registry;"),
        ("registry-server/src/store/sqlite.rs", "use schema_core::format::avro;"),
        ("schema-core/src/wire.rs", "use crate::format::ParsedSchema;"),
        ("schema-core/src/format/avro/mod.rs", "use crate::format::json::Schema;"),
        ("schema-core/src/compatibility.rs", "use crate::format::avro::AvroSchema;"),
        ("schema-core/src/schema.rs", "use serde::Serialize;"),
        ("schema-core/src/error.rs", "use tokio::task;"),
        ("avro-serde/src/codec/avro.rs", "use crate::registry::RegistryApi;"),
        ("producer-core/src/accumulator/batch.rs", "use crate::sender::Sender;"),
        ("producer-core/src/connection/mod.rs", "pub(crate) use crate::metadata::Metadata;"),
        ("producer-core/src/sender/mod.rs", "use kafka_protocol::messages::ProduceRequest;"),
        ("producer-core/src/delivery.rs", "use crate::producer::Producer;"),
        ("producer-core/src/error.rs", "use crate::sender::Sender;"),
        ("producer-core/src/error_code.rs", "use crate::error::ProduceError;"),
    ];

    for (path, text) in planted {
        assert_eq!(problems(path, text).len(), 1, "{path}: {text}: {:?}", problems(path, text));
    }
}

#[test]
fn imports_along_the_arrows_pass() {
    let fine = [
        ("registry-server/src/http/versions.rs", "use crate::registry::Registry;\nuse super::params::Subject;"),
        ("registry-server/src/store/sqlite.rs", "use super::error::StoreError;\nuse sqlx::SqlitePool;"),
        ("registry-server/src/server.rs", "use crate::store::open;"),
        ("registry-server/src/registry/register.rs", "// crate::http\n#[cfg(test)]\nmod tests { use crate::http::x; }"),
        (
            "producer-core/src/connection/mod.rs",
            "use kafka_protocol::messages::ApiKey;\nuse crate::error::ProduceError;",
        ),
        ("producer-core/src/lib.rs", "pub use producer::Producer;"),
    ];

    for (path, text) in fine {
        assert_eq!(problems(path, text), [""; 0], "{path}: {text}");
    }
}
