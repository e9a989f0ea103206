//! Values that stand elsewhere, as `${env:NAME}` or `${file:/run/secrets/kafka.properties:password}`: Java's
//! `config.providers` (KIP-297, KIP-421), with its three providers.

use std::collections::BTreeMap;
use std::env::VarError;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

/// What files and folders may be read, and what variables.
const ALLOWED_PATHS: &str = "param.allowed.paths";
const ALLOWLIST_PATTERN: &str = "param.allowlist.pattern";

/// The names of the providers that count, comma-separated; what belongs to one begins with this, a dot and its name.
pub(super) const CONFIG_PROVIDERS: &str = "config.providers";

/// Java's names of the providers there are.
pub(super) const CLASSES: [&str; 3] = [ENV, FILE, DIRECTORY];

const ENV: &str = "org.apache.kafka.common.config.provider.EnvVarConfigProvider";
const FILE: &str = "org.apache.kafka.common.config.provider.FileConfigProvider";
const DIRECTORY: &str = "org.apache.kafka.common.config.provider.DirectoryConfigProvider";

/// The providers of one set of properties, by their names there.
#[derive(Default)]
pub(super) struct Providers {
    by_name: BTreeMap<String, Provider>,
}

/// Where values come from.
enum Provider {
    /// Variables of the environment, those whose whole name matches (KIP-887).
    Env { allowed: Option<Regex> },
    /// Files of properties.
    File(Paths),
    /// Folders: the name of a file is a key, its text the value (KIP-632).
    Directory(Paths),
}

/// Files and folders that may be read: all, or these and what is below them (KIP-993).
struct Paths {
    allowed: Option<Vec<PathBuf>>,
}

/// Whether a property is about providers.
pub(super) fn is_about_providers(key: &str) -> bool {
    key.strip_prefix(CONFIG_PROVIDERS).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a property about providers says something.
pub(super) fn is_known(key: &str) -> bool {
    let Some(rest) = key.strip_prefix(CONFIG_PROVIDERS) else { return false };
    let of_one = rest.strip_prefix('.').and_then(|rest| rest.split_once('.'));
    rest.is_empty() || of_one.is_some_and(|(_, rest)| ["class", ALLOWED_PATHS, ALLOWLIST_PATTERN].contains(&rest))
}

impl Providers {
    /// Those that the properties name; what is wrong with them goes to `problems`.
    pub(super) fn of(properties: &BTreeMap<&str, &str>, problems: &mut Vec<String>) -> Self {
        let names = properties.get(CONFIG_PROVIDERS).copied().unwrap_or_default().split(',').map(str::trim);
        let mut by_name = BTreeMap::new();
        for name in names.filter(|name| !name.is_empty()) {
            match Provider::of(name, properties) {
                Ok(provider) => _ = by_name.insert(name.to_owned(), provider),
                Err(problem) => problems.push(problem),
            }
        }
        Self { by_name }
    }

    /// A value with what it refers to put in. A text that refers to no provider there is stays as it is, as in Java.
    ///
    /// # Errors
    /// What could not be read, and what to try; nothing of what was.
    pub(super) fn resolve(&self, value: &str) -> Result<String, String> {
        let (mut resolved, mut rest) = (String::new(), value);
        while let Some((before, reference, after)) = next_reference(rest) {
            resolved.push_str(before);
            match self.by_name.get(reference.provider) {
                Some(provider) => resolved.push_str(&provider.get(&reference)?),
                None => resolved.push_str(&rest[before.len()..rest.len() - after.len()]),
            }
            rest = after;
        }
        resolved.push_str(rest);
        Ok(resolved)
    }
}

/// `${provider:path:key}`, or without a path.
struct Reference<'a> {
    provider: &'a str,
    path: &'a str,
    key: &'a str,
}

impl fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path {
            "" => write!(f, "${{{}:{}}}", self.provider, self.key),
            path => write!(f, "${{{}:{path}:{}}}", self.provider, self.key),
        }
    }
}

/// The first reference, with what stands before and behind it.
fn next_reference(text: &str) -> Option<(&str, Reference<'_>, &str)> {
    let mut from = 0;
    loop {
        let begin = from + text[from..].find("${")?;
        let end = begin + text[begin..].find('}')?;
        if let Some((provider, rest)) = text[begin + 2..end].split_once(':') {
            let (path, key) = rest.split_once(':').unwrap_or(("", rest));
            return Some((&text[..begin], Reference { provider, path, key }, &text[end + 1..]));
        }
        from = begin + 2;
    }
}

impl Provider {
    fn of(name: &str, properties: &BTreeMap<&str, &str>) -> Result<Self, String> {
        let property = |rest: &str| properties.get(&*format!("{CONFIG_PROVIDERS}.{name}.{rest}")).copied();
        let allowed = || property(ALLOWED_PATHS).map(|paths| Paths::of(name, paths)).transpose();
        match property("class") {
            Some(ENV) => match property(ALLOWLIST_PATTERN).map(|pattern| Regex::new(&format!("^(?:{pattern})$"))) {
                None => Ok(Self::Env { allowed: None }),
                Some(Ok(pattern)) => Ok(Self::Env { allowed: Some(pattern) }),
                Some(Err(error)) => {
                    let key = format!("{CONFIG_PROVIDERS}.{name}.{ALLOWLIST_PATTERN}");
                    Err(format!("`{key}` is no regular expression: {error}"))
                }
            },
            Some(FILE) => Ok(Self::File(Paths { allowed: allowed()? })),
            Some(DIRECTORY) => Ok(Self::Directory(Paths { allowed: allowed()? })),
            class => {
                let known = CLASSES.map(|class| format!("`{class}`")).join(", ");
                let is = class.map_or("is missing".to_owned(), |class| format!("is `{class}`"));
                Err(format!("`{CONFIG_PROVIDERS}.{name}.class` {is}: expected one of {known}"))
            }
        }
    }

    fn get(&self, reference: &Reference<'_>) -> Result<String, String> {
        let Reference { path, key, .. } = reference;
        match self {
            Self::Env { .. } if !path.is_empty() => Err(format!(
                "`{reference}` has a path, which the environment has not: write `${{{}:NAME}}`",
                reference.provider
            )),
            Self::Env { allowed: Some(pattern) } if !pattern.is_match(key) => {
                Err(format!("`{reference}` is not allowed by `allowlist.pattern` of the provider"))
            }
            Self::Env { .. } => std::env::var(key).map_err(|error| match error {
                VarError::NotPresent => format!("`{reference}`: {error}: set it, or name another variable"),
                // Its text has the value.
                VarError::NotUnicode(_) => format!("`{reference}`: the variable is no UTF-8"),
            }),
            Self::File(_) | Self::Directory(_) if path.is_empty() => {
                Err(format!("`{reference}` has no path: write `${{{}:/PATH:{key}}}`", reference.provider))
            }
            Self::File(paths) => {
                let file = paths.checked(Path::new(path), reference)?;
                let unreadable = |error: &dyn fmt::Display| format!("`{reference}` cannot be read: {error}");
                let text = std::fs::read_to_string(file).map_err(|error| unreadable(&error))?;
                let text = without_comments(&text);
                let (mut value, utf_8) = (None, encoding_rs::UTF_8);
                java_properties::PropertiesIter::new_with_encoding(text.as_bytes(), utf_8)
                    .read_into(|name, text| {
                        if name == **key {
                            value = Some(text);
                        }
                    })
                    .map_err(|_| unreadable(&"it is no file of properties"))?;
                value.ok_or_else(|| format!("`{reference}`: the file has no `{key}`"))
            }
            Self::Directory(paths) => {
                let file = paths.checked(&Path::new(path).join(key), reference)?;
                if Path::new(key).components().ne([Component::Normal(key.as_ref())]) {
                    return Err(format!("`{reference}`: `{key}` is no name of a file in that folder"));
                }
                std::fs::read_to_string(file).map_err(|error| format!("`{reference}` cannot be read: {error}"))
            }
        }
    }
}

impl Paths {
    /// The roots of a provider's `allowed.paths`.
    fn of(name: &str, paths: &str) -> Result<Vec<PathBuf>, String> {
        let parts = paths.split(',').map(str::trim).filter(|part| !part.is_empty());
        let root = |part: &str| {
            let is_absolute = Path::new(part).is_absolute();
            let problem =
                || format!("`{CONFIG_PROVIDERS}.{name}.{ALLOWED_PATHS}` has `{part}`: expected absolute paths");
            is_absolute.then(|| whole(part)).ok_or_else(problem)
        };
        parts.map(root).collect()
    }

    fn checked(&self, path: &Path, reference: &Reference<'_>) -> Result<PathBuf, String> {
        let Some(allowed) = &self.allowed else { return Ok(path.to_owned()) };
        let path = whole(path);
        let is_allowed = allowed.iter().any(|root| path.starts_with(root));
        if is_allowed { Ok(path) } else { Err(format!("`{reference}` is not below `allowed.paths` of the provider")) }
    }
}

/// A file of properties without its lines of comment, which may hold what is no escape. A line that goes on with the
/// one before is none.
fn without_comments(text: &str) -> String {
    let (mut kept, mut goes_on) = (String::with_capacity(text.len()), false);
    for line in text.split_inclusive('\n') {
        let is_comment = !goes_on && line.trim_start().starts_with(['#', '!']);
        if is_comment {
            continue;
        }
        let content = line.trim_end_matches(['\n', '\r']);
        goes_on = (content.len() - content.trim_end_matches('\\').len()) % 2 == 1;
        kept.push_str(line);
    }
    kept
}

/// The path without `.` and `..`, so that a comparison tells what is below what.
fn whole(path: impl AsRef<Path>) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in path.as_ref().components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => _ = whole.pop(),
            component => whole.push(component),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: [(&str, &str); 4] = [
        ("config.providers", "env, file,dir"),
        ("config.providers.env.class", ENV),
        ("config.providers.file.class", FILE),
        ("config.providers.dir.class", DIRECTORY),
    ];

    fn providers(more: &[(&'static str, &'static str)]) -> Result<Providers, Vec<String>> {
        let mut problems = Vec::new();
        let properties = CLASS.into_iter().chain(more.iter().copied()).collect();
        let providers = Providers::of(&properties, &mut problems);
        if problems.is_empty() { Ok(providers) } else { Err(problems) }
    }

    fn manifest(rest: &str) -> String {
        format!("{}/{rest}", env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn what_stands_elsewhere_is_put_in_and_all_else_stays() {
        let providers = providers(&[]).unwrap();
        // Cargo sets it for tests.
        let name = "CARGO_PKG_NAME";
        for (value, expected) in [
            ("plain", "plain".to_owned()),
            ("", String::new()),
            (&format!("<${{env:{name}}}|${{env:{name}}}>"), "<producer-core|producer-core>".to_owned()),
            ("${other:a:b} $ {env:X} ${} ${env", "${other:a:b} $ {env:X} ${} ${env".to_owned()),
            ("${no colon} ${other:x}", "${no colon} ${other:x}".to_owned()),
            (&format!("${{dir:{}:in_rust.md}}", manifest("src/config")), include_str!("in_rust.md").to_owned()),
            (&format!("${{file:{}:tools.mail}}", manifest("testdata/provider.properties")), "post: yes".to_owned()),
        ] {
            assert_eq!(providers.resolve(value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn allowed_paths_are_absolute_and_an_empty_part_allows_nothing() {
        let refused = |paths: &'static str, value: &str| {
            let key = "config.providers.file.param.allowed.paths";
            providers(&[(key, paths)]).map(|providers| providers.resolve(value).unwrap_err())
        };
        for paths in ["", ",", "/etc/kafka,", " /etc/kafka , /nowhere "] {
            let error = refused(paths, "${file:/etc/passwd:root}").unwrap();
            assert!(error.contains("is not below `allowed.paths`"), "{paths}: {error}");
            let error = refused(paths, "${file:../etc/kafka/a:root}").unwrap();
            assert!(error.contains("is not below `allowed.paths`"), "{paths}: {error}");
        }
        for paths in [".", "..", "a/..", "/a,b"] {
            let problems = refused(paths, "").unwrap_err();
            assert!(problems[0].ends_with("expected absolute paths"), "{problems:?}");
        }
    }

    #[test]
    fn lines_of_comment_are_left_out_and_those_that_go_on_are_not() {
        let text = "# C:\\users\\me\n a = 1\\\n # 2\n\t! b\nc = \\\\\n# d\r\ne";
        assert_eq!(without_comments(text), " a = 1\\\n # 2\nc = \\\\\ne");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_reference() {
        let providers = providers(&[
            ("config.providers.env.param.allowlist.pattern", "CARGO_.*"),
            ("config.providers.file.param.allowed.paths", "/nowhere,/etc/kafka"),
        ])
        .unwrap();
        for (value, expected) in [
            ("${env:PATH}", "`${env:PATH}` is not allowed by `allowlist.pattern`"),
            ("${env:CARGO_NO_SUCH}", "`${env:CARGO_NO_SUCH}`: environment variable not found: set it"),
            ("${env:/a:CARGO_PKG_NAME}", "has a path, which the environment has not: write `${env:NAME}`"),
            ("${file:/etc/passwd:root}", "is not below `allowed.paths`"),
            ("${file:/etc/kafka/../passwd:root}", "is not below `allowed.paths`"),
            ("${file:/nowhere/a.properties:b}", "`${file:/nowhere/a.properties:b}` cannot be read: No such file"),
            ("${dir:/nowhere:b}", "`${dir:/nowhere:b}` cannot be read: No such file"),
            ("${dir:b}", "`${dir:b}` has no path: write `${dir:/PATH:b}`"),
            ("${dir:/nowhere:../b}", "`../b` is no name of a file in that folder"),
        ] {
            let error = providers.resolve(value).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_provider_that_cannot_be_is_a_problem() {
        for (more, expected) in [
            (
                ("config.providers.env.class", "com.example.Vault"),
                "`config.providers.env.class` is `com.example.Vault`",
            ),
            (("config.providers", "vault"), "`config.providers.vault.class` is missing: expected one of `org.apache"),
            (("config.providers.env.param.allowlist.pattern", "("), "allowlist.pattern` is no regular expression"),
        ] {
            let problems = providers(&[more]).err().unwrap();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(expected), "{problems:?}");
        }
    }
}
