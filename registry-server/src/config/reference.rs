//! The settings as a page: what `docs/config.md` holds.

use std::fmt::Write as _;

use super::settings::SETTINGS;
use super::{Flags, ServerConfig, environment};

const HEAD: &str = "\
# Settings of the server

Sources, later ones win: the default, the TOML file, the environment, the flags. The file is the one that `--config`
names, else the one in `SCHEMA_REGISTRY_CONFIG`, else `schema-registry.toml` in the working folder if it is there.
`a.b` is the key `b` in the table `[a]`. Bytes and milliseconds are whole numbers, in the file without quotes. A key, a
variable or a flag that is none of these stops the server at its start, with the nearest name that is one; all that is
wrong is told at once.

```toml
listen = \"127.0.0.1:8081\"
database = \"sqlite://schema-registry.db\"

[limits]
body_bytes = 1048576
```

";

const BEHIND: &str = "
Not settings: `--ephemeral` keeps schemas in memory instead of in `database`, `--config` names the file.

## Other people's variables

What Kubernetes sets for a Service called `schema-registry` (`SCHEMA_REGISTRY_PORT`, `SCHEMA_REGISTRY_SERVICE_HOST`,
`SCHEMA_REGISTRY_SERVICE_PORT*`, `SCHEMA_REGISTRY_PORT_8081_TCP*`) is ignored. Variables of Confluent's image without a
meaning here (`SCHEMA_REGISTRY_KAFKASTORE_*`, `SCHEMA_REGISTRY_HOST_NAME`, ...) are named in a warning with the reason.
With a PostgreSQL database, the variables of its own programs (`PGHOST`, `PGPASSWORD`, `PGSSLMODE`, ...) say what the
URL leaves open; a `PGSSLMODE` or `PGPORT` that cannot be read stops the server at its start.

Of Confluent's image these are taken:

| variable of Confluent's image | taken as |
|---|---|
";

/// `docs/config.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    page.push_str("| key | variable | flag | default | what it sets |\n|---|---|---|---|---|\n");
    let defaults = ServerConfig::default();
    for setting in SETTINGS {
        let flag = Flags::of(setting.key).map(|flag| format!("`{flag}`")).unwrap_or_default();
        let variable = environment::variable(setting.key);
        let (default, meaning) = ((setting.print)(&defaults), setting.meaning.trim_start());
        // Writing to a text does not fail.
        let _ = writeln!(page, "| `{}` | `{variable}` | {flag} | `{default}` | {meaning} |", setting.key);
    }
    page.push_str(BEHIND);
    for (theirs, ours) in environment::mapped() {
        let _ = writeln!(page, "| `{theirs}` | `{ours}` |");
    }
    page
}
