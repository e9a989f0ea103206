"""Makes every call of confluent-kafka's SchemaRegistryClient that the registry serves, and checks the answers.

Argument: registry URL of an empty registry. Prints the names of the calls made.
"""

import inspect
import json
import sys

from confluent_kafka.schema_registry import (
    Metadata, MetadataProperties, Rule, RuleKind, RuleMode, RuleParams, RuleSet, Schema, SchemaReference,
    SchemaRegistryClient, ServerConfig,
)
from confluent_kafka.schema_registry.common.schema_registry_client import ConfigCompatibilityLevel
from confluent_kafka.schema_registry.error import SchemaRegistryError

# What the registry does not serve yet, and what makes no request at all.
NOT_CALLED = {
    # Associations cannot be made yet.
    "create_association", "delete_associations",
    # Local.
    "config", "close", "clear_caches", "clear_latest_caches", "new_client",
}


class Recorder:
    """A fresh client for each call, so that no answer comes from its cache; remembers what was called."""

    def __init__(self, url):
        self.url = url
        self.called = set()

    def __getattr__(self, name):
        self.called.add(name)
        return getattr(SchemaRegistryClient({"url": self.url}), name)


def record(*fields):
    return Schema(json.dumps({"type": "record", "name": "User", "namespace": "org.example", "fields": list(fields)}))


def refused(call, status, code):
    """The message of the refusal that the call must meet."""
    try:
        answer = call()
    except SchemaRegistryError as error:
        assert (error.http_status_code, error.error_code) == (status, code), error
        return error.error_message
    raise AssertionError(f"not refused: {answer}")


client = Recorder(sys.argv[1])
SUBJECT = "users/of the registry-value"  # is escaped on the way

identity = {"name": "id", "type": "long"}
plan = {"name": "plan", "type": "string", "default": "free"}
v1 = record(identity)
v2 = record(identity, plan)
broken = record(identity, {"name": "plan", "type": "string"})

# Nothing is there yet.
assert client.get_subjects() == []
assert "AVRO" in client.get_schema_types()
assert refused(lambda: client.get_versions(SUBJECT), 404, 40401)
assert refused(lambda: client.lookup_schema(SUBJECT, v1), 404, 40401)
assert refused(lambda: client.get_schema(1), 404, 40403)
assert client.test_compatibility_all_versions(SUBJECT, v1) is True

# The global setting.
assert client.get_compatibility() == "BACKWARD"
assert client.get_config().compatibility_level == ConfigCompatibilityLevel.BACKWARD

# Registering.
assert client.register_schema(SUBJECT, v1) == 1
assert client.register_schema(SUBJECT, v1) == 1, "registering again gives the same id"
assert client.register_schema("another-value", v1) == 1, "the same content has the same id"
message = refused(lambda: client.register_schema(SUBJECT, broken), 409, 40901)
assert "READER_FIELD_MISSING_DEFAULT_VALUE" in message, message
full = client.register_schema_full_response(SUBJECT, v2)
assert full.schema_id == 2, full
assert refused(lambda: client.register_schema(SUBJECT, Schema('{"type": "record"}')), 422, 42201)

# By id.
assert json.loads(client.get_schema(1).schema_str) == json.loads(v1.schema_str)
assert client.get_schema(1, subject_name=SUBJECT).schema_type == "AVRO"
assert client.get_subjects_by_schema_id(1) == ["another-value", SUBJECT]
assert [(at.subject, at.version) for at in client.get_schema_versions(1)] == [("another-value", 1), (SUBJECT, 1)]
assert refused(lambda: client.get_schema(99), 404, 40403)

# By subject and version.
assert client.get_subjects() == ["another-value", SUBJECT]
assert client.get_subjects(subject_prefix="users") == [SUBJECT]
assert client.get_versions(SUBJECT) == [1, 2]
latest = client.get_latest_version(SUBJECT)
assert (latest.subject, latest.version, latest.schema_id) == (SUBJECT, 2, 2), latest
assert json.loads(latest.schema.schema_str) == json.loads(v2.schema_str)
assert client.get_version(SUBJECT, 1).schema_id == 1
assert client.get_version(SUBJECT, "latest").version == 2
assert refused(lambda: client.get_version(SUBJECT, 3), 404, 40402)
found = client.lookup_schema(SUBJECT, v1)
assert (found.subject, found.version, found.schema_id) == (SUBJECT, 1, 1), found
assert client.lookup_schema(SUBJECT, v1, normalize_schemas=True).version == 1
assert refused(lambda: client.lookup_schema(SUBJECT, broken), 404, 40403)

assert json.loads(client.get_schema_by_guid(full.guid).schema_str) == json.loads(v2.schema_str)

# References, metadata and rules.
order = Schema(
    json.dumps({"type": "record", "name": "Order", "fields": [{"name": "by", "type": "org.example.User"}]}),
    references=[SchemaReference("org.example.User", SUBJECT, 1)],
    metadata=Metadata(tags=None, properties=MetadataProperties({"owner": "shop"}), sensitive=None),
    rule_set=RuleSet(migration_rules=None, domain_rules=[
        Rule("positive", None, RuleKind.CONDITION, RuleMode.WRITE, "CEL", None, RuleParams(), "true", None, None, False)
    ]),
)
assert client.register_schema("orders-value", order) == 3
assert client.get_referenced_by(SUBJECT, 1) == [3]
owned = client.get_latest_with_metadata("orders-value", {"owner": "shop"})
assert (owned.schema_id, owned.version) == (3, 1), owned
assert owned.schema.references[0].subject == SUBJECT, owned
assert owned.schema.metadata.properties.properties == {"owner": "shop"}, owned
assert owned.schema.rule_set.domain_rules[0].name == "positive", owned
assert refused(lambda: client.get_latest_with_metadata("orders-value", {"owner": "nobody"}), 404, 40403)

# Compatibility.
assert client.test_compatibility(SUBJECT, v2) is True
assert client.test_compatibility(SUBJECT, broken, version=1) is False
assert client.test_compatibility(SUBJECT, broken, version=2, verbose=True) is True, "version 2 has the field"
assert client.test_compatibility_all_versions(SUBJECT, broken) is True, "BACKWARD looks at the newest only"

# Settings.
assert client.set_compatibility(SUBJECT, "FULL_TRANSITIVE") == {"compatibility": "FULL_TRANSITIVE"}
assert client.get_compatibility(SUBJECT) == "FULL_TRANSITIVE"
assert client.test_compatibility_all_versions(SUBJECT, broken, verbose=True) is False
assert client.get_config(SUBJECT).compatibility_level == ConfigCompatibilityLevel.FULL_TRANSITIVE
assert refused(lambda: client.get_compatibility("another-value"), 404, 40408)
assert client.set_config(config=ServerConfig(compatibility=ConfigCompatibilityLevel.NONE))["compatibility"] == "NONE"
assert client.get_compatibility() == "NONE"
assert client.register_schema("another-value", broken) == 4, "NONE takes everything"
assert refused(lambda: client.set_compatibility(level="sideways"), 422, 42203)

assert client.delete_config(SUBJECT) is not None
assert refused(lambda: client.get_compatibility(SUBJECT), 404, 40408)

# Modes.
assert client.get_global_mode() == "READWRITE"
assert client.update_global_mode("READONLY") == "READONLY"
assert refused(lambda: client.register_schema("late-value", v1), 422, 42205)
assert client.update_global_mode("READWRITE") == "READWRITE"
assert refused(lambda: client.get_mode("another-value"), 404, 40409)
assert client.update_mode("another-value", "READONLY") == "READONLY"
assert client.get_mode("another-value") == "READONLY"
assert refused(lambda: client.register_schema("another-value", v2), 422, 42205)
assert client.delete_mode("another-value") == "READONLY"
assert client.register_schema("another-value", v2) == 2

# Contexts, each with ids of its own.
assert client.register_schema(":.team:users-value", v2) == 1
assert client.get_contexts() == [".", ".team"]
assert client.get_contexts(offset=1) == [".team"]
assert client.get_associations_by_resource_name("users", "-") == []

# Deleting, in two stages.
assert refused(lambda: client.delete_version(SUBJECT, 1), 422, 42206), "something refers to it"
assert client.delete_version("another-value", 2) == 2
assert client.get_versions("another-value") == [1, 3]
assert refused(lambda: client.get_version("another-value", 2), 404, 40402)
assert client.get_version("another-value", 2, deleted=True).schema_id == 4
assert client.delete_version("another-value", 2, permanent=True) == 2
assert refused(lambda: client.get_version("another-value", 2, deleted=True), 404, 40402)
assert refused(lambda: client.get_schema(4), 404, 40403)
assert client.delete_subject("another-value") == [1, 3]
assert refused(lambda: client.get_versions("another-value"), 404, 40401)
assert client.get_subjects(deleted=True) == [":.team:users-value", "another-value", "orders-value", SUBJECT]
assert client.delete_subject("another-value", permanent=True) == [1, 3]
assert refused(lambda: client.delete_subject("orders-value", permanent=True), 404, 40405)
assert client.delete_subject("orders-value") == [1]
assert client.delete_subject("orders-value", permanent=True) == [1]
assert client.delete_version(SUBJECT, 1) == 1, "nothing refers to it any more"

offered = {name for name, _ in inspect.getmembers(SchemaRegistryClient, callable) if not name.startswith("_")}
missed = offered - client.called - NOT_CALLED
assert not missed, f"calls that are neither made nor known as not served: {sorted(missed)}"
print(" ".join(sorted(client.called)))
