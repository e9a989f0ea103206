//! Avro contents in place of those whose formats are not there yet, so that what follows upon them can be replayed: its
//! ids and its versions are as recorded.
//!
//! Each content has one stand-in: a string with a property of its own, which is compatible with every other, and which
//! has no name that could be there twice. Requests carry it, and what is expected of answers is what was recorded, with
//! the stand-in's text, type and GUID. A step that stands on what a format makes of a schema is left out.

use schema_core::{Content, Guid, Reference, SchemaType, Version};
use serde_json::{Value, json};

use super::Step;

/// Why steps are left out. A reason that is not met any more fails the test.
pub(super) const REASONS: [&str; 3] = [JUDGED, NORMALIZED, PRINTED];

const JUDGED: &str = "whether JSON Schema or Protobuf take a schema, or a change of one, is theirs to say";
const NORMALIZED: &str = "what the normal form of a JSON Schema is, is JSON Schema's to say";
const PRINTED: &str = "a text in a format of Protobuf's own";

/// What there is said of a schema of another type than the one before. A stand-in is of the same type, and as
/// incompatible, which is told in other words.
pub(super) const OF_ANOTHER_TYPE: &str = "Incompatible because of different schema type";

/// The types that are to come.
const TO_COME: [&str; 2] = ["JSON", "PROTOBUF"];

/// A content and what stands in for it.
#[derive(Debug)]
struct StandIn {
    /// What clients sent for it.
    sent: Vec<String>,
    /// What it is and how it is printed there, once it is registered.
    theirs: Option<(String, String)>,
    text: String,
    guid: String,
}

/// Those of one scenario.
#[derive(Debug, Default)]
struct StandIns(Vec<StandIn>);

/// Puts stand-ins into the steps of a scenario, and notes which of them have to be left out.
pub(super) fn put_into(steps: &mut [Step]) {
    let mut stand_ins = StandIns::default();
    for step in steps {
        let told = step.reply.as_deref().and_then(|reply| serde_json::from_str(reply).ok()).unwrap_or_default();
        if let Some(body) = schema_to_come(step) {
            stand_ins.put_into_request(step, body, &told);
        }
        stand_ins.put_into_answer(step, told);
    }
}

/// The body of a step whose schema is of a type that is to come. One that is refused for its shape needs none.
fn schema_to_come(step: &Step) -> Option<Value> {
    let body: Value = serde_json::from_str(step.body.as_deref()?).ok()?;
    let is_read = !matches!(step.status, 400 | 405 | 406 | 415);
    (is_read && TO_COME.iter().any(|kind| body["schemaType"] == *kind)).then_some(body)
}

impl StandIns {
    fn put_into_request(&mut self, step: &mut Step, mut body: Value, told: &Value) {
        let sent = body["schema"].as_str().unwrap_or_default().to_owned();
        let is_refused = matches!(told["error_code"].as_u64(), Some(42201 | 40901)) || told["is_compatible"] == false;
        if is_refused && !told.to_string().contains(OF_ANOTHER_TYPE) {
            step.left_out = Some(JUDGED);
            return;
        }
        if step.status == 404 && self.0.iter().any(|known| known.theirs.is_some() && known.sent.contains(&sent)) {
            step.left_out = Some(NORMALIZED);
            return;
        }
        body["schema"] = json!(self.of(&sent, told).text);
        body["schemaType"] = json!("AVRO");
        step.body = Some(body.to_string());
    }

    /// The stand-in for what was sent, which is what was told where that is a content.
    fn of(&mut self, sent: &str, told: &Value) -> &StandIn {
        let guid = told["guid"].as_str();
        let is_it = |known: &StandIn| match (&known.theirs, guid) {
            (Some((theirs, _)), Some(guid)) => theirs == guid,
            _ => known.sent.iter().any(|known| known == sent),
        };
        let place = self.0.iter().position(is_it).unwrap_or_else(|| {
            let text = format!(r#"{{"type":"string","standsIn":{}}}"#, self.0.len());
            self.0.push(StandIn { sent: Vec::new(), theirs: None, text, guid: String::new() });
            self.0.len() - 1
        });
        let found = &mut self.0[place];
        found.sent.push(sent.to_owned());
        if let (None, Some(guid), Some(printed)) = (&found.theirs, guid, told["schema"].as_str()) {
            found.theirs = Some((guid.to_owned(), printed.to_owned()));
            found.guid = guid_of(&found.text, &told["references"]);
        }
        found
    }

    fn put_into_answer(&self, step: &mut Step, mut told: Value) {
        let reply = step.reply.as_deref().unwrap_or_default();
        if self.0.is_empty() || step.status != 200 {
            return;
        }
        if step.raw_path().ends_with("/schema") {
            match self.0.iter().find(|known| known.theirs.as_ref().is_some_and(|(_, printed)| printed == reply)) {
                Some(known) => step.reply = Some(known.text.clone()),
                None if told.is_null() => step.left_out = Some(PRINTED),
                None => {}
            }
            return;
        }
        self.replace(&mut told);
        step.reply = Some(told.to_string());
    }

    /// Replaces contents, wherever they stand.
    fn replace(&self, told: &mut Value) {
        match told {
            Value::Object(fields) => {
                let is_it = |known: &&StandIn| {
                    known.theirs.as_ref().is_some_and(|(guid, _)| fields.get("guid") == Some(&json!(guid)))
                };
                if let Some(known) = self.0.iter().find(is_it) {
                    fields.insert("guid".to_owned(), json!(known.guid));
                    fields.insert("schemaType".to_owned(), json!("AVRO"));
                    fields.insert("schema".to_owned(), json!(known.text));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.replace(item)),
            _ => {}
        }
    }
}

fn guid_of(text: &str, references: &Value) -> String {
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let references: Vec<Reference> = references
        .as_array()
        .into_iter()
        .flatten()
        .map(|reference| Reference {
            name: text_of(&reference["name"]),
            subject: text_of(&reference["subject"]),
            version: Version(
                reference["version"].as_u64().and_then(|number| number.try_into().ok()).unwrap_or_default(),
            ),
        })
        .collect();
    let content =
        Content { schema_type: SchemaType::Avro, text, references: &references, metadata: None, rule_set: None };
    Guid::of(&content).to_string()
}
