//! What to try after an error of a registry, a broker or a record, in the words of the command line: the libraries
//! below know no flags.

mod learnt;

use std::error::Error;
use std::fmt;

use avro_serde::{RegistryError, SerdeError};
use producer_core::reader::{BootstrapError, ReadError};
use producer_core::{ConfigError, ProduceError};
use schema_core::error_code::ErrorCode;

use self::learnt::{Found, Learnt};
use crate::consume::is_of_the_record;
use crate::produce::LineError;
use crate::shell::{curl, quoted};
use crate::value_schema::ValueSchema;

/// Characters in the name of a topic, as brokers have it.
const TOPIC_LENGTH_MAX: usize = 249;

/// What `--bootstrap-servers` looks like.
const SERVERS_FORM: &str = "`--bootstrap-servers HOST:PORT[,HOST:PORT]`, such as 127.0.0.1:9092";

/// What a command was told, as far as advice repeats it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `produce`, `consume`, `perf produce` or `demo`.
    pub(crate) command: &'static str,
    pub(crate) topic: String,
    /// URL of the registry, without user and password.
    pub(crate) registry: String,
    /// Kafka brokers.
    pub(crate) servers: String,
    /// What lines are written with, if there are lines.
    pub(crate) value_schema: Option<ValueSchema>,
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
    /// The error with advice, if something can be tried. Asks brokers and registry for what the error does not say.
    pub(crate) async fn advise(&self, error: anyhow::Error) -> anyhow::Error {
        let learnt = Learnt::about(&error, self).await;
        self.with_advice(error, &learnt)
    }

    fn with_advice(&self, error: anyhow::Error, learnt: &Learnt) -> anyhow::Error {
        let near = match &learnt.topic {
            Found::Nothing { near: Some(near) } => Some(format!("the topic `{near}`, which the brokers have")),
            _ => None,
        };
        // From the inmost cause outwards: what mends it, then how to do without.
        let causes = error.chain().rev().flat_map(|cause| self.after(cause, learnt));
        let advice: Vec<String> = near.into_iter().chain(causes).collect();
        if advice.is_empty() { error } else { Advised { error, advice }.into() }
    }

    /// What to try after one of the causes, if that is known.
    fn after(&self, cause: &(dyn Error + 'static), learnt: &Learnt) -> Vec<String> {
        let advice = if let Some(error) = cause.downcast_ref() {
            return self.after_registry(error, learnt);
        } else if let Some(error) = cause.downcast_ref::<LineError>() {
            Some(error.advice())
        } else if let Some(error) = cause.downcast_ref() {
            return self.after_record(error);
        } else if let Some(error) = cause.downcast_ref() {
            self.after_bootstrap(error)
        } else if let Some(error) = cause.downcast_ref() {
            self.after_reading(error)
        } else if let Some(error) = cause.downcast_ref() {
            return self.after_producing(error, &learnt.topic);
        } else if cause.downcast_ref().is_some_and(names_servers) {
            Some(SERVERS_FORM.to_owned())
        } else {
            None
        };
        advice.into_iter().collect()
    }

    fn after_record(&self, error: &SerdeError) -> Vec<String> {
        let Self { command, registry, .. } = self;
        let mut advice = Vec::new();
        if let (SerdeError::Encode { .. }, Some(schema)) = (error, &self.value_schema) {
            advice.push(format!(
                "{} tells what a line must have; `--value-schema FILE.avsc|SUBJECT[@VERSION]` names another schema",
                self.place_of(schema)
            ));
        }
        if *command != "consume" {
            return advice;
        }
        if matches!(error, SerdeError::Decode { .. } | SerdeError::Resolve { .. }) {
            advice.push(format!(
                "`--registry URL` names the registry that the record was written with, if that is not {registry}: \
                 there the id may be another schema's"
            ));
        }
        if is_of_the_record(error) {
            advice.push("`--skip-unreadable` goes on with the record behind it".to_owned());
        }
        advice
    }

    /// Where a schema can be read.
    fn place_of(&self, schema: &ValueSchema) -> String {
        let Self { registry, .. } = self;
        match schema {
            ValueSchema::File(path) => format!("`{path}`"),
            ValueSchema::Subject { subject, version } => {
                format!("`{}`", curl(registry, &["subjects", subject, "versions", &version.to_string(), "schema"], ""))
            }
        }
    }

    fn after_bootstrap(&self, error: &BootstrapError) -> Option<String> {
        match error {
            BootstrapError::Unreachable(_) => Some(self.other_brokers()),
            _ => Some(SERVERS_FORM.to_owned()),
        }
    }

    fn after_reading(&self, error: &ReadError) -> Option<String> {
        let Self { topic, servers, .. } = self;
        match error {
            ReadError::Connection { .. } => Some(self.other_brokers()),
            ReadError::UnknownTopic { .. } => Some(format!(
                "`sr consume TOPIC --bootstrap-servers HOST:PORT` reads another topic, or from other brokers than \
                 {servers}; `sr produce {topic}` makes this one where brokers make topics on demand"
            )),
            _ => None,
        }
    }

    fn after_producing(&self, error: &ProduceError, topic: &Found) -> Vec<String> {
        match error {
            ProduceError::TopicUnknown { .. } => match topic {
                Found::NoAnswer => vec![self.other_brokers()],
                Found::Topic => self.longer_wait(),
                Found::Nothing { .. } => vec![self.new_topic()],
                Found::Refusal => Vec::new(),
            },
            ProduceError::SerializerNotReady { .. } | ProduceError::BufferFull { .. } => self.longer_wait(),
            ProduceError::InvalidTopic { topic } => vec![other_name(topic)],
            // A cause that is shared is none that could be looked into.
            ProduceError::Serialize { source, .. } => {
                source.downcast_ref().map_or_else(Vec::new, |error| self.after_record(error))
            }
            _ => Vec::new(),
        }
    }

    /// The brokers were asked to make the topic, as every producer asks.
    fn new_topic(&self) -> String {
        let Self { topic, servers, .. } = self;
        format!(
            "`kafka-topics.sh --bootstrap-server {} --create --topic {}` makes the topic, which these brokers do not \
             make on demand",
            quoted(servers),
            quoted(topic)
        )
    }

    fn longer_wait(&self) -> Vec<String> {
        let setting = match self.command {
            "produce" => "--max-block-ms MS",
            "perf produce" => "--producer-props max.block.ms=MS",
            _ => return Vec::new(),
        };
        vec![format!("`{setting}` waits longer for brokers, topic, registry and room")]
    }

    fn other_brokers(&self) -> String {
        let Self { command, servers, .. } = self;
        if *command == "demo" {
            return "without `--bootstrap-servers`, the demo brings a broker of its own".to_owned();
        }
        format!(
            "`--bootstrap-servers HOST:PORT` names other brokers than {servers}; `sr demo --keep` starts one to try \
             with"
        )
    }

    fn after_registry(&self, error: &RegistryError, learnt: &Learnt) -> Vec<String> {
        let Self { command, topic, registry, .. } = self;
        if *command == "demo" {
            // It brings a registry of its own, and has no flag for another.
            return Vec::new();
        }
        let code = error.error_code().and_then(ErrorCode::from_number);
        let subject = format!("{topic}-value");
        match (error, code) {
            (RegistryError::Incompatible { message, .. }, _) => {
                let mut advice: Vec<String> = hints(message).map(str::to_owned).collect();
                let or = if advice.is_empty() { "" } else { "or " };
                advice.push(format!(
                    "{or}another compatibility level for the subject: `{}` tells the one in force",
                    curl(registry, &["config", &subject], "?defaultToGlobal=true")
                ));
                advice.push(format!(
                    "or write with the schema that is there: `sr {command} ... --value-schema {}`",
                    quoted(&subject)
                ));
                advice
            }
            (_, Some(ErrorCode::SchemaNotFound)) => vec![format!(
                "`{registry}` does not have this id: it is another registry's (name that one, \
                 `sr {command} {} --registry URL`), or the schema was deleted permanently here",
                quoted(topic)
            )],
            (_, Some(ErrorCode::SubjectNotFound)) => vec![format!(
                "`--value-schema FILE.avsc` registers the schema in a file as `{subject}`; `{}` lists the subjects that \
                 are there",
                curl(registry, &["subjects"], "")
            )],
            (_, Some(ErrorCode::VersionNotFound)) => {
                vec!["without `@VERSION`, `--value-schema SUBJECT` takes the newest version".to_owned()]
            }
            (_, Some(ErrorCode::OperationNotPermitted)) => vec![format!(
                "`--value-schema {}` writes with the schema that is there, without registering one; `{}` tells the \
                 mode in force",
                quoted(&subject),
                curl(registry, &["mode", &subject], "?defaultToGlobal=true")
            )],
            (RegistryError::Unavailable { error_code: Some(_), .. }, _) => vec![format!(
                "`{}` tells whether the registry can read and write, its log why not",
                curl(registry, &["health", "ready"], "")
            )],
            (
                RegistryError::Unavailable { .. }
                | RegistryError::UnexpectedReply { .. }
                | RegistryError::NotFound { .. },
                _,
            ) => vec![match &learnt.without_tls {
                Some(url) => format!("`--registry {}`, where it answers without TLS", quoted(url)),
                None => format!(
                    "`registry-server` starts a registry on http://127.0.0.1:8081, `--registry URL` names another \
                     than {registry}"
                ),
            }],
            _ => Vec::new(),
        }
    }
}

fn other_name(wrong: &str) -> String {
    format!("a name that topics can have, such as `{}`", name_of_topic(wrong))
}

/// A name that brokers take, as near to the one that they do not as can be.
fn name_of_topic(wrong: &str) -> String {
    let taken = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = wrong.trim().chars().take(TOPIC_LENGTH_MAX).map(taken).collect();
    if name.chars().any(|c| c.is_ascii_alphanumeric()) { name } else { "users".to_owned() }
}

/// Whether the brokers are among what is wrong.
fn names_servers(error: &ConfigError) -> bool {
    error.problems.iter().any(|problem| problem.starts_with("`bootstrap.servers`"))
}

/// The repairs in the message of a schema that breaks its subject's promise: the entries `{hint: '...'}`.
fn hints(message: &str) -> impl Iterator<Item = &str> {
    message.split("{hint: '").skip(1).filter_map(|rest| rest.split_once("'}").map(|(hint, _)| hint))
}

/// A cause as it stands above its advice: without what is told there.
pub(crate) fn beside_advice(cause: &(dyn Error + 'static)) -> String {
    let said = cause.to_string();
    let Some(RegistryError::Incompatible { error_code, .. }) = cause.downcast_ref() else { return said };
    let cure = ErrorCode::from_number(*error_code).map_or_else(String::new, |code| format!("; {}", code.entry().cure));
    without_hints(said.strip_suffix(&cure).unwrap_or(&said))
}

/// The message without the repairs, for where they are shown as advice.
fn without_hints(message: &str) -> String {
    let mut kept = String::new();
    let mut rest = message;
    while let Some((before, from_hint)) = rest.split_once(", {hint: '") {
        let Some((_, behind)) = from_hint.split_once("'}") else { break };
        kept.push_str(before);
        rest = behind;
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use avro_serde::codec::DecodeError;
    use avro_serde::registry::VersionSelector;
    use avro_serde::{SchemaId, SchemaKey, Version};
    use serde::de::Error as _;

    use super::learnt::{misses_registry, misses_topic};
    use super::*;

    fn asked(command: &'static str, topic: &str) -> Asked {
        Asked {
            command,
            topic: topic.to_owned(),
            registry: "http://r".into(),
            servers: "broker:9092".into(),
            value_schema: None,
        }
    }

    fn advised(command: &'static str, error: anyhow::Error) -> Vec<String> {
        asked(command, "users")
            .with_advice(error, &Learnt::default())
            .downcast::<Advised>()
            .map(|advised| advised.advice)
            .unwrap_or_default()
    }

    fn advice(error: RegistryError) -> Vec<String> {
        advised("produce", anyhow::Error::new(error).context("line 1"))
    }

    fn unknown_topic() -> ProduceError {
        let waited = Duration::from_secs(60);
        ProduceError::TopicUnknown { topic: "users".into(), waited, why: "no broker has answered yet".into() }
    }

    #[test]
    fn advice_leaves_the_error_and_its_causes_as_they_were() {
        let asked = asked("consume", "users");
        let unknown = ReadError::UnknownTopic { topic: "users".into() };

        let advised = asked.with_advice(anyhow::Error::new(unknown).context("reading"), &Learnt::default());

        let said: Vec<String> = advised.chain().map(ToString::to_string).collect();
        assert_eq!(said, ["reading", "topic `users` does not exist; create it, or check the name"]);
    }

    #[test]
    fn a_topic_of_almost_the_name_comes_first() {
        let asked = asked("consume", "user");
        let unknown = ReadError::UnknownTopic { topic: "user".into() };
        assert!(misses_topic(&unknown));

        let topic = Found::Nothing { near: Some("users".into()) };
        let learnt = Learnt { topic, ..Learnt::default() };
        let advised = asked.with_advice(unknown.into(), &learnt).downcast::<Advised>().unwrap();

        assert_eq!(advised.advice.len(), 2, "{:?}", advised.advice);
        assert_eq!(advised.advice[0], "the topic `users`, which the brokers have");
    }

    #[test]
    fn a_broker_that_is_not_there_is_told_with_how_to_name_another() {
        for (command, error) in [
            ("produce", anyhow::Error::new(unknown_topic()).context("line 1")),
            ("perf produce", anyhow::Error::new(unknown_topic())),
        ] {
            let advice = advised(command, error);
            assert!(advice.len() == 1 && advice[0].contains("other brokers than broker:9092"), "{advice:?}");
        }
        let empty = ReadError::Bootstrap { topic: "users".into(), source: BootstrapError::NoServers };
        assert_eq!(advised("consume", empty.into()), [SERVERS_FORM]);
        let wrong = ConfigError { problems: vec!["`bootstrap.servers`: `x` is not `host:port`".into()] };
        assert_eq!(advised("perf produce", wrong.into()), [SERVERS_FORM]);
        let other = ConfigError { problems: vec!["`linger.ms` is `x`".into()] };
        assert_eq!(advised("perf produce", other.into()), Vec::<String>::new());
    }

    #[test]
    fn brokers_that_answer_are_not_to_be_replaced() {
        let make = "`kafka-topics.sh --bootstrap-server broker:9092 --create --topic users` makes the topic";
        let wait = "`--producer-props max.block.ms=MS` waits longer";
        for (topic, parts) in [
            (Found::Nothing { near: Some("user".into()) }, &["the topic `user`", make][..]),
            (Found::Nothing { near: None }, &[make]),
            (Found::Topic, &[wait]),
            (Found::Refusal, &[]),
        ] {
            let said = format!("{topic:?}");
            let learnt = Learnt { topic, ..Learnt::default() };
            let told = asked("perf produce", "users").with_advice(unknown_topic().into(), &learnt);
            let advice = told.downcast::<Advised>().map(|advised| advised.advice).unwrap_or_default();
            let fits = advice.iter().zip(parts).all(|(advice, part)| advice.starts_with(part));
            assert!(advice.len() == parts.len() && fits, "{said}: {advice:?}");
        }
    }

    #[test]
    fn a_wait_that_was_too_short_is_told_with_the_flag_that_makes_it_longer() {
        let not_ready = || ProduceError::SerializerNotReady { topic: "users".into(), waited: Duration::ZERO };
        for (command, part) in [("produce", "`--max-block-ms MS`"), ("perf produce", "`--producer-props max.block")] {
            let advice = advised(command, not_ready().into());
            assert!(advice.len() == 1 && advice[0].starts_with(part), "{advice:?}");
        }
        assert_eq!(advised("demo", not_ready().into()), Vec::<String>::new());
    }

    #[test]
    fn a_registry_that_answers_is_looked_into_and_not_for() {
        let unavailable = |error_code| RegistryError::Unavailable {
            operation: "answer".into(),
            attempts: 4,
            reason: "down".into(),
            error_code,
        };

        assert_eq!(
            advice(unavailable(Some(503))),
            ["`curl http://r/health/ready` tells whether the registry can read and write, its log why not"]
        );
        assert!(misses_registry(&unavailable(None)) && !misses_registry(&unavailable(Some(503))));
        assert!(advice(unavailable(None))[0].starts_with("`registry-server` starts a registry"));
    }

    #[test]
    fn only_what_concerns_one_record_may_be_skipped() {
        let not_found = |error_code| RegistryError::NotFound {
            operation: "find the schema with id 7".into(),
            error_code,
            message: String::new(),
        };
        let of_registry = |source| SerdeError::Registry { wanted: "schema id 7".into(), source };

        let foreign_id = advised("consume", of_registry(not_found(40403)).into());
        let no_registry = advised("consume", of_registry(not_found(404)).into());
        let foreign_id_of_a_producer = advised("produce", of_registry(not_found(40403)).into());

        assert!(foreign_id[0].contains("another registry's") && foreign_id[1].contains("--skip-unreadable"));
        assert!(no_registry.len() == 1 && no_registry[0].contains("`registry-server` starts"), "{no_registry:?}");
        assert_eq!(foreign_id_of_a_producer.len(), 1, "{foreign_id_of_a_producer:?}");
    }

    #[test]
    fn what_does_not_fit_its_schema_may_be_of_another_registry() {
        let schema = SchemaKey::Id(SchemaId(1));
        let unread = || SerdeError::Decode { schema, source: DecodeError::custom("65 bytes are left") };

        let advice = advised("consume", unread().into());

        assert!(
            advice[0].contains("if that is not http://r:") && advice[1].contains("--skip-unreadable"),
            "{advice:?}"
        );
        assert_eq!(advised("produce", unread().into()), Vec::<String>::new());
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
            beside_advice(&error),
            "the registry cannot register: Schema being registered is incompatible, details: [{errorType:'X'}] (error \
             code 40901)"
        );

        assert_eq!(
            advice(error),
            [
                "/fields/1: give it a default",
                "/fields/2: it's an int",
                "or another compatibility level for the subject: `curl 'http://r/config/users-value?defaultToGlobal=true'` \
                 tells the one in force",
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
        assert!(
            in_read_only_mode[0].contains("curl 'http://r/mode/users-value?defaultToGlobal=true'"),
            "{in_read_only_mode:?}"
        );
        assert_eq!(advice(refused(42201)), Vec::<String>::new());
    }

    #[test]
    fn a_name_that_is_none_of_a_topic_is_told_with_one_that_is() {
        for (wrong, name) in
            [("my topic", "my-topic"), ("a/b:c", "a-b-c"), ("ä.x", "-.x"), ("..", "users"), ("", "users")]
        {
            let error = ProduceError::InvalidTopic { topic: wrong.into() };
            assert_eq!(advised("produce", error.into()), [format!("a name that topics can have, such as `{name}`")]);
        }
        assert_eq!(name_of_topic(&"x".repeat(300)).len(), TOPIC_LENGTH_MAX);
    }

    #[test]
    fn a_line_that_does_not_fit_is_told_with_where_its_schema_stands() {
        let misfit = || SerdeError::Encode {
            wanted: "subject `users-value`".into(),
            source: serde::ser::Error::custom("expected `long`, found text"),
        };
        for (schema, place) in [
            (ValueSchema::File("user.avsc".into()), "`user.avsc` tells"),
            (
                ValueSchema::Subject { subject: "s".into(), version: VersionSelector::Latest },
                "`curl http://r/subjects/s/versions/latest/schema` tells",
            ),
            (
                ValueSchema::Subject { subject: "s".into(), version: VersionSelector::Number(Version(2)) },
                "`curl http://r/subjects/s/versions/2/schema` tells",
            ),
            (
                ValueSchema::Subject { subject: "a b/?'ä".into(), version: VersionSelector::Latest },
                "`curl http://r/subjects/a%20b%2F%3F%27%C3%A4/versions/latest/schema` tells",
            ),
        ] {
            let asked = Asked { value_schema: Some(schema), ..asked("produce", "users") };
            let advice = asked.after_record(&misfit());
            assert!(advice.len() == 1 && advice[0].starts_with(place), "{advice:?}");
        }
    }
}
