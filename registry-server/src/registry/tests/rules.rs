//! Rules of a config and of a schema together.

use schema_core::wire::{Rule, RuleSet};
use serde_json::{Value, json};

use crate::store::ConfigRecord;

use super::content::{of_json, put_config, schema};
use super::*;

/// The names of rules, list by list.
fn rule_names(rules: &RuleSet) -> [Vec<&str>; 3] {
    [&rules.migration_rules, &rules.domain_rules, &rules.encoding_rules]
        .map(|rules: &Vec<Rule>| rules.iter().filter_map(|rule| rule.name.as_deref()).collect())
}

const NAMED_TWICE: &str = "two rules have the name `a`, one in `domainRules` and one in `encodingRules`, with those of \
                           the config (`defaultRuleSet`, `overrideRuleSet`) that are in force; rename one, or set \
                           `validateRules` to false";

fn rule_fault(refused: RegistryError) -> String {
    let RegistryError::InvalidRuleSet { reason } = refused else { panic!("{refused:?}") };
    reason
}

#[tokio::test]
async fn rules_of_a_config_and_of_a_schema_share_no_name() {
    let (registry, store) = registry().await;
    let rules = |list: &str, name: &str| json!({list: [{"name": name, "type": "CEL"}]});
    let with = |list: &str, name: &str, fields: &str| {
        schema(record(fields).text.as_deref().unwrap(), json!({"ruleSet": rules(list, name)}))
    };
    let stored = |json: Value| Some(Arc::from(json.to_string()));
    let under = |validate_rules| ConfigRecord {
        default_rule_set: stored(rules("domainRules", "a")),
        validate_rules,
        ..ConfigRecord::default()
    };
    let over = ConfigRecord { override_rule_set: stored(rules("domainRules", "a")), ..ConfigRecord::default() };
    for (name, config) in [("under", under(None)), ("over", over)] {
        put_config(&store, name, config).await;
        let refused = register(&registry, name, &with("encodingRules", "a", "a")).await.unwrap_err();
        assert_eq!(rule_fault(refused), NAMED_TWICE, "{name}");
        // In one list, one replaces the other; and other names are no matter.
        assert_eq!(register(&registry, name, &with("domainRules", "a", "a")).await.unwrap().1, 1, "{name}");
        assert_eq!(register(&registry, name, &with("encodingRules", "b", "a")).await.unwrap().1, 2, "{name}");
        let refused = register(&registry, name, &with("encodingRules", "a", "ab")).await.unwrap_err();
        assert_eq!(rule_fault(refused), NAMED_TWICE, "{name}");
    }
    let found = registry.version(&subject("under"), Selector::Latest, Deleted::Hide).await.unwrap();
    let kept = found.content.schema.rule_set.clone().unwrap();
    assert_eq!(rule_names(&kept), [vec![], vec!["a"], vec!["b"]]);

    // So does what is inherited from the version before; who wants it may have it, and what is there is answered.
    register(&registry, "later", &with("encodingRules", "a", "a")).await.unwrap();
    put_config(&store, "later", under(None)).await;
    let refused = register(&registry, "later", &record("ab")).await.unwrap_err();
    assert_eq!(rule_fault(refused), NAMED_TWICE);
    put_config(&store, "later", under(Some(false))).await;
    let both = with("encodingRules", "a", "ab");
    assert_eq!(register(&registry, "later", &both).await.unwrap().1, 2);
    put_config(&store, "later", under(None)).await;
    assert_eq!(register(&registry, "later", &both).await.unwrap().1, 2, "it is there already");
    assert_eq!(register(&registry, "later", &record("ab")).await.unwrap().1, 2, "it is there already");
    assert_eq!(rule_fault(register(&registry, "later", &record("abc")).await.unwrap_err()), NAMED_TWICE);
}

#[tokio::test]
async fn rule_sets_that_come_from_several_scopes_share_no_name() {
    let (registry, _store) = registry().await;
    let rules = |list: &str| json!({list: [{"name": "a", "type": "CEL"}]});
    let change = async |of: &str, json: Value| registry.change_config(&ScopeName::parse(of), of_json(json)).await;
    change(":.c:", json!({"overrideRuleSet": rules("encodingRules")})).await.unwrap();

    let refused = change(":.c:s", json!({"defaultRuleSet": rules("domainRules")})).await.unwrap_err();

    assert_eq!(rule_fault(refused), NAMED_TWICE);
    change("s", json!({"defaultRuleSet": rules("domainRules")})).await.unwrap();
    let own = json!({"defaultRuleSet": rules("domainRules"), "overrideRuleSet": rules("domainRules")});
    change(":.c:s", own).await.unwrap();
}

#[tokio::test]
async fn rule_sets_of_one_config_share_no_name() {
    let (registry, _store) = registry().await;
    let rules = |list: &str| json!({list: [{"name": "a", "type": "CEL"}]});
    let change = async |json: Value| registry.change_config(&ScopeName::parse("s"), of_json(json)).await;
    change(json!({"defaultRuleSet": rules("domainRules")})).await.unwrap();

    let refused = change(json!({"overrideRuleSet": rules("encodingRules")})).await.unwrap_err();

    assert_eq!(rule_fault(refused), NAMED_TWICE);
    change(json!({"overrideRuleSet": rules("domainRules")})).await.unwrap();
    change(json!({"overrideRuleSet": rules("encodingRules"), "defaultRuleSet": null})).await.unwrap();
    change(json!({"validateRules": false})).await.unwrap();
    change(json!({"defaultRuleSet": rules("domainRules")})).await.unwrap();
    // What stands is not looked at by a change of something else.
    change(json!({"validateRules": null})).await.unwrap();
    change(json!({"normalize": true})).await.unwrap();
}

#[tokio::test]
async fn a_rule_set_without_rules_stands_against_those_of_the_scopes_above() {
    let (registry, _store) = registry().await;
    let change =
        async |of: &str, json: Value| registry.change_config(&ScopeName::parse(of), of_json(json)).await.unwrap();
    let of_version = async |name: &str| {
        let version = register(&registry, name, &record("a")).await.unwrap().1;
        let found = registry.version(&subject(name), Selector::Number(Version(version)), Deleted::Hide).await.unwrap();
        found.content.schema.rule_set.as_deref().map(|rules| rule_names(rules).concat().join(" "))
    };
    let rules = |name: &str| json!({"domainRules": [{"name": name, "type": "CEL"}]});
    change(":.c:", json!({"defaultRuleSet": rules("under"), "overrideRuleSet": rules("over")})).await;

    change(":.c:no-over", json!({"overrideRuleSet": {}})).await;
    let echo = change(":.c:none", json!({"defaultRuleSet": {"domainRules": []}, "overrideRuleSet": {}})).await;

    assert_eq!(serde_json::to_value(echo).unwrap(), json!({}), "as Confluent's server shows it");
    assert_eq!(of_version(":.c:all").await.as_deref(), Some("under over"));
    assert_eq!(of_version(":.c:no-over").await.as_deref(), Some("under"));
    assert_eq!(of_version(":.c:none").await, None);
    change(":.c:none", json!({"overrideRuleSet": null})).await;
    assert_eq!(register(&registry, ":.c:none", &record("ab")).await.unwrap().1, 2);
    let latest = registry.version(&subject(":.c:none"), Selector::Latest, Deleted::Hide).await.unwrap();
    assert_eq!(rule_names(latest.content.schema.rule_set.as_deref().unwrap()).concat(), ["over"]);
}
