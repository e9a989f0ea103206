//! What to try after an error of a registry, in the words of the command line: the libraries below know no flags.

use std::error::Error;
use std::fmt;

use avro_serde::RegistryError;
use schema_core::error_code::ErrorCode;

/// What a command was told, as far as advice repeats it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `produce`, `consume` or `perf produce`.
    pub(crate) command: &'static str,
    pub(crate) topic: String,
    /// URL of the registry.
    pub(crate) registry: String,
}

/// An error that is shown as it was, with what to try behind its causes.
#[derive(Debug)]
pub(crate) struct Advised {
    error: anyhow::Error,
    /// One line each.
    pub(crate) advice: Vec<String>,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl Error for Advised {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl Asked {
    /// The error with advice, if a registry is behind it and something can be tried.
    pub(crate) fn advise(&self, error: anyhow::Error) -> anyhow::Error {
        let said = error.chain().find_map(|cause| cause.downcast_ref::<RegistryError>());
        let advice = said.map(|said| self.after(said)).unwrap_or_default();
        if advice.is_empty() { error } else { Advised { error, advice }.into() }
    }

    fn after(&self, error: &RegistryError) -> Vec<String> {
        let Self { command, topic, registry } = self;
        let code = error.error_code().and_then(ErrorCode::from_number);
        match (error, code) {
            (RegistryError::Incompatible { message, .. }, _) => {
                let mut advice: Vec<String> = hints(message).map(str::to_owned).collect();
                advice.push(format!(
                    "or write with the schema that is there: `sr {command} ... --value-schema {topic}-value`"
                ));
                advice
            }
            (_, Some(ErrorCode::SchemaNotFound)) => vec![format!(
                "`{registry}` does not have this id: it is another registry's (name that one, \
                 `sr {command} {topic} --registry URL`), or the schema was deleted permanently here"
            )],
            (_, Some(ErrorCode::SubjectNotFound)) => vec![format!(
                "`--value-schema FILE.avsc` registers the schema in a file as `{topic}-value`; \
                 `curl {registry}/subjects` lists the subjects that are there"
            )],
            (_, Some(ErrorCode::VersionNotFound)) => {
                vec!["without `@VERSION`, `--value-schema SUBJECT` takes the newest version".to_owned()]
            }
            (_, Some(ErrorCode::OperationNotPermitted)) => vec![format!(
                "`--value-schema {topic}-value` writes with the schema that is there, without registering one; \
                 `curl {registry}/mode/{topic}-value?defaultToGlobal=true` tells the mode in force"
            )],
            (RegistryError::Unavailable { .. } | RegistryError::UnexpectedReply { .. }, _) => vec![format!(
                "`registry-server` starts a registry on http://127.0.0.1:8081, `--registry URL` names another than \
                 {registry}"
            )],
            _ => Vec::new(),
        }
    }
}

/// The repairs in the message of a schema that breaks its subject's promise: the entries `{hint: '...'}`.
fn hints(message: &str) -> impl Iterator<Item = &str> {
    message.split("{hint: '").skip(1).filter_map(|rest| rest.split_once("'}").map(|(hint, _)| hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(error: RegistryError) -> Vec<String> {
        let asked = Asked { command: "produce", topic: "users".into(), registry: "http://r".into() };
        let advised = asked.advise(anyhow::Error::new(error).context("line 1"));
        assert_eq!(advised.to_string(), "line 1");
        assert_eq!(advised.chain().count(), 2);
        advised.downcast::<Advised>().map(|advised| advised.advice).unwrap_or_default()
    }

    #[test]
    fn every_repair_that_the_registry_knows_stands_on_a_line_of_its_own() {
        let message = "Schema being registered is incompatible, details: [{errorType:'X'}, \
                       {hint: '/fields/1: give it a default'}, {hint: '/fields/2: it's an int'}]";
        let error = RegistryError::Incompatible {
            operation: "register".into(),
            error_code: 40901,
            message: message.to_owned(),
        };

        assert_eq!(
            advice(error),
            [
                "/fields/1: give it a default",
                "/fields/2: it's an int",
                "or write with the schema that is there: `sr produce ... --value-schema users-value`"
            ]
        );
    }

    #[test]
    fn what_is_not_found_is_told_with_where_to_look() {
        for (error_code, part) in [(40401, "curl http://r/subjects"), (40402, "newest"), (40403, "--registry URL")] {
            let error = RegistryError::NotFound { operation: "look".into(), error_code, message: String::new() };
            let advice = advice(error);
            assert!(advice.len() == 1 && advice[0].contains(part), "{error_code}: {advice:?}");
        }
    }

    #[test]
    fn what_is_refused_is_told_with_what_is_allowed() {
        let refused =
            |error_code| RegistryError::Refused { operation: "register".into(), error_code, message: String::new() };

        let in_read_only_mode = advice(refused(42205));
        assert!(in_read_only_mode.len() == 1, "{in_read_only_mode:?}");
        assert!(in_read_only_mode[0].contains("--value-schema users-value"), "{in_read_only_mode:?}");
        assert!(in_read_only_mode[0].contains("curl http://r/mode/users-value"), "{in_read_only_mode:?}");
        assert_eq!(advice(refused(42201)), Vec::<String>::new());
    }
}
