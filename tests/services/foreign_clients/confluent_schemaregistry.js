// Makes the calls of @confluentinc/schemaregistry's SchemaRegistryClient and checks the answers.
//
// Argument: URL of an empty registry. Prints the names of the calls made.
"use strict";

const assert = require("node:assert/strict");
const { Compatibility, SchemaRegistryClient } = require("@confluentinc/schemaregistry");

// What the registry does not serve yet, and what makes no request at all.
const NOT_CALLED = new Set([
  // Associations cannot be made yet.
  "createAssociation", "deleteAssociations",
  // Local.
  "constructor", "config", "clearLatestCaches", "clearCaches", "close",
  "addToInfoToSchemaCache", "addToSchemaToVersionCache", "addToVersionToSchemaCache", "addToIdToSchemaInfoCache",
  "addToGuidToSchemaInfoCache", "getInfoToSchemaCacheSize", "getSchemaToVersionCacheSize",
  "getVersionToSchemaCacheSize", "getIdToSchemaInfoCacheSize", "getGuidToSchemaInfoCacheSize",
]);

const called = new Set();

// A fresh client for each call, so that no answer comes from its cache; remembers what was called.
const client = new Proxy({}, {
  get(_, name) {
    called.add(name);
    const fresh = new SchemaRegistryClient({ baseURLs: [process.argv[2]] });
    return (...values) => fresh[name](...values);
  },
});

const record = (...fields) =>
  ({ schemaType: "AVRO", schema: JSON.stringify({ type: "record", name: "User", namespace: "org.example", fields }) });

async function refused(call, status, code) {
  await assert.rejects(call, (error) => {
    assert.deepEqual([error.status, error.errorCode], [status, code], String(error));
    return true;
  });
}

async function main() {
  const subject = "users of the registry-value"; // getAllVersions escapes blanks, but not a slash
  const identity = { name: "id", type: "long" };
  const v1 = record(identity);
  const v2 = record(identity, { name: "plan", type: "string", default: "free" });
  const broken = record(identity, { name: "plan", type: "string" });

  // Nothing is there yet.
  assert.deepEqual(await client.getAllSubjects(), []);
  await refused(client.getAllVersions(subject), 404, 40401);
  await refused(client.getId(subject, v1), 404, 40401);
  await refused(client.getBySubjectAndId(subject, 1), 404, 40403);
  assert.equal(await client.testSubjectCompatibility(subject, v1), true);
  assert.equal(await client.getDefaultCompatibility(), Compatibility.BACKWARD);

  // Registering.
  assert.equal(await client.register(subject, v1), 1);
  assert.equal(await client.register(subject, v1), 1, "registering again gives the same id");
  assert.equal(await client.register("another-value", v1, true), 1, "the same content has the same id");
  await refused(client.register(subject, broken), 409, 40901);
  const full = await client.registerFullResponse(subject, v2);
  assert.deepEqual([full.id, full.version], [2, 2]);
  assert.match(full.guid, /^[0-9a-f-]{36}$/);
  await refused(client.register(subject, { schemaType: "AVRO", schema: '{"type":"record"}' }), 422, 42201);

  // Reading.
  const got = await client.getBySubjectAndId(subject, 1);
  assert.deepEqual(JSON.parse(got.schema), JSON.parse(v1.schema));
  assert.deepEqual(await client.getAllSubjects(), ["another-value", subject]);
  assert.deepEqual(await client.getAllVersions(subject), [1, 2]);
  assert.equal((await client.getLatestSchemaMetadata(subject)).id, 2);
  assert.equal((await client.getSchemaMetadata(subject, 1)).id, 1);
  await refused(client.getSchemaMetadata(subject, 3), 404, 40402);
  assert.equal(await client.getId(subject, v2), 2);
  assert.equal((await client.getIdFullResponse(subject, v1)).version, 1);
  assert.equal(await client.getVersion(subject, v1), 1);
  await refused(client.getVersion(subject, broken), 404, 40403);

  assert.deepEqual(JSON.parse((await client.getByGuid(full.guid)).schema), JSON.parse(v2.schema));

  // References, metadata and rules.
  const order = {
    schemaType: "AVRO",
    schema: JSON.stringify({ type: "record", name: "Order", fields: [{ name: "by", type: "org.example.User" }] }),
    references: [{ name: "org.example.User", subject, version: 1 }],
    metadata: { properties: { owner: "shop" } },
    ruleSet: { domainRules: [{ name: "positive", kind: "CONDITION", mode: "WRITE", type: "CEL", expr: "true" }] },
  };
  assert.equal(await client.register("orders-value", order), 3);
  const owned = await client.getLatestWithMetadata("orders-value", { owner: "shop" });
  assert.deepEqual([owned.id, owned.references, owned.metadata.properties], [3, order.references, { owner: "shop" }]);
  assert.equal(owned.ruleSet.domainRules[0].name, "positive");
  await refused(client.getLatestWithMetadata("orders-value", { owner: "nobody" }), 404, 40403);

  // Compatibility.
  assert.equal(await client.testSubjectCompatibility(subject, v2), true);
  assert.equal(await client.testCompatibility(subject, 1, broken), false);
  assert.equal(await client.testCompatibility(subject, 2, broken), true, "version 2 has the field");

  // Settings.
  await refused(client.getCompatibility(subject), 404, 40408);
  assert.equal(await client.updateCompatibility(subject, Compatibility.FULL_TRANSITIVE), Compatibility.FULL_TRANSITIVE);
  assert.equal(await client.getCompatibility(subject), Compatibility.FULL_TRANSITIVE);
  assert.equal((await client.updateConfig(subject, { compatibility: "FULL", normalize: true })).normalize, true);
  assert.equal((await client.getConfig(subject)).compatibilityLevel, "FULL");
  assert.equal(await client.updateDefaultCompatibility(Compatibility.NONE), Compatibility.NONE);
  assert.equal((await client.updateDefaultConfig({ compatibility: "FORWARD" })).compatibility, "FORWARD");
  assert.equal((await client.getDefaultConfig()).compatibilityLevel, "FORWARD");
  await refused(client.updateCompatibility(subject, "SIDEWAYS"), 422, 42203);

  // Deleting, in two stages.
  assert.deepEqual(await client.getAssociationsByResourceName("users", "-", null, [], null, 0, -1), []);
  await refused(client.deleteSubject("orders-value", true), 404, 40405);
  assert.deepEqual(await client.deleteSubject("orders-value"), [1]);
  assert.deepEqual(await client.deleteSubject("orders-value", true), [1]);
  assert.equal(await client.deleteSubjectVersion(subject, 1), 1);
  assert.deepEqual(await client.getAllVersions(subject), [2]);
  assert.equal(await client.deleteSubjectVersion(subject, 1, true), 1);

  const offered = Object.getOwnPropertyNames(SchemaRegistryClient.prototype);
  const missed = offered.filter((name) => !called.has(name) && !NOT_CALLED.has(name));
  assert.deepEqual(missed, [], "calls that are neither made nor known as not served");
  console.log([...called].sort().join(" "));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
