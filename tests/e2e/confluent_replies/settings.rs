//! What is in force at a scope after the recorded changes of settings, by their rule and by ours.
//!
//! Both are worked out from what the recorded server said it had stored, so a difference counts as meant only where
//! its own answer is by its rule, and ours by ours.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Scenario;
use super::Step;

/// Settings that a config of its own takes from the default context as a last resort, there and here.
const FROM_DEFAULT_CONTEXT: [&str; 6] =
    ["normalize", "validateFields", "validateNewSchemas", "validateRules", "compatibilityPolicy", "compatibilityGroup"];

/// Settings that nobody inherits: shown as the narrowest config has them.
const NOT_INHERITED: [&str; 2] = ["alias", "aliasForDeks"];

/// The level as a change names it, and as a read does.
const LEVEL: &str = "compatibility";
const LEVEL_READ: &str = "compatibilityLevel";

const DEFAULT_CONTEXT: &str = ":.:";
const ALL_CONTEXTS: &str = ":.__GLOBAL:";

/// How wider scopes complete a narrow one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Theirs: the narrowest config that there is counts as a whole.
    AsAWhole,
    /// Ours: the narrowest config that sets it counts for each setting.
    OneByOne,
}

/// Whether a step asks for the settings in force.
pub(super) fn asks_for_settings_in_force(step: &Step) -> bool {
    let query = step.path.split_once('?').map_or("", |(_, query)| query);
    step.method == "GET" && scope(step).is_some() && query.eq_ignore_ascii_case("defaultToGlobal=true")
}

/// The answer to a read of the settings in force, by a rule.
pub(super) fn in_force(scenario: &Scenario, step: &Step, rule: Rule) -> Value {
    let stored = stored_before(scenario, step);
    let scope = scope(step).unwrap_or(DEFAULT_CONTEXT);
    let configs: Vec<&Map<String, Value>> = chain(scope).filter_map(|scope| stored.get(scope)).collect();
    let mut shown = configs.first().map_or_else(Map::new, |nearest| (*nearest).clone());
    if rule == Rule::OneByOne {
        let wider = configs.iter().skip(1).flat_map(|config| config.iter());
        complete(&mut shown, wider.filter(|(name, _)| !NOT_INHERITED.contains(&name.as_str())));
    }
    if let Some(last) = stored.get(DEFAULT_CONTEXT).filter(|_| stored.contains_key(scope) || scope == ALL_CONTEXTS) {
        complete(&mut shown, last.iter().filter(|(name, _)| FROM_DEFAULT_CONTEXT.contains(&name.as_str())));
    }
    let level = shown.remove(LEVEL).unwrap_or_else(|| Value::from("BACKWARD"));
    shown.insert(LEVEL_READ.to_owned(), level);
    Value::Object(shown)
}

fn complete<'a>(shown: &mut Map<String, Value>, settings: impl Iterator<Item = (&'a String, &'a Value)>) {
    for (name, value) in settings {
        shown.entry(name).or_insert_with(|| value.clone());
    }
}

/// The config of each scope before a step: every change is answered with all that is stored then.
fn stored_before<'a>(scenario: &'a Scenario, step: &Step) -> HashMap<&'a str, Map<String, Value>> {
    let mut stored = HashMap::new();
    let before = scenario.steps.iter().take_while(|other| !std::ptr::eq(*other, step));
    for other in before.filter(|other| other.status == 200) {
        let Some(scope) = scope(other) else { continue };
        match other.method.as_str() {
            "PUT" => {
                let echo = other.reply.as_deref().map(serde_json::from_str);
                stored.insert(scope, echo.expect("a change of a config is answered").expect("with an object"));
            }
            "DELETE" => drop(stored.remove(scope)),
            _ => {}
        }
    }
    stored
}

/// What a path of `/config` names.
fn scope(step: &Step) -> Option<&str> {
    match step.raw_path().strip_prefix("/config")? {
        "" | "/" => Some(DEFAULT_CONTEXT),
        rest => rest.strip_prefix('/'),
    }
}

/// The scopes that count at one, the narrowest first.
fn chain(scope: &str) -> impl Iterator<Item = &str> {
    let end = scope.strip_prefix(":.").and_then(|rest| rest.find(':')).map(|at| at + ":.:".len());
    let context = end.map_or(DEFAULT_CONTEXT, |end| &scope[..end]);
    let mut chain = vec![scope, context, ALL_CONTEXTS];
    chain.dedup();
    chain.into_iter()
}
