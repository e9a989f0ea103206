// Makes the calls of @kafkajs/confluent-schema-registry's SchemaRegistry and checks the answers.
//
// Argument: URL of an empty registry. Prints the names of the calls made.
"use strict";

const assert = require("node:assert/strict");
const { COMPATIBILITY, SchemaRegistry, SchemaType } = require("@kafkajs/confluent-schema-registry");

// What is called by the others, and what makes no request at all.
const NOT_CALLED = new Set([
  "constructor", "isConfluentSchema", "getConfluentSchema", "updateOptionsWithSchemaReferences", "asProtocolOptions",
  "getreferencedSchemas", "getreferencedSchemasRecursive", "getreferencedSchemasFromReference", "_getSchema",
  "collectInvalidPaths", "getSchemaOriginRequest",
]);

const called = new Set();

// A fresh client for each call, so that no answer comes from its cache; remembers what was called.
const client = new Proxy({}, {
  get(_, name) {
    called.add(name);
    const fresh = new SchemaRegistry({ host: process.argv[2], retry: { retries: 0 } });
    return (...values) => fresh[name](...values);
  },
});

const record = (...fields) => ({ type: "record", name: "User", namespace: "org.example", fields });
const avro = (schema) => ({ type: SchemaType.AVRO, schema: JSON.stringify(schema) });

async function main() {
  const identity = { name: "id", type: "long" };
  const v1 = record(identity);
  const v2 = record(identity, { name: "plan", type: "string", default: "free" });
  const broken = record(identity, { name: "plan", type: "string" });
  const subject = "org.example.User"; // made of namespace and name

  // It asks for the subject's level and sets its own where there is none.
  assert.equal((await client.register(v1)).id, 1);
  assert.equal((await client.register(v1)).id, 1);
  assert.equal((await client.register(avro(v1), { subject: "users value", compatibility: COMPATIBILITY.FULL })).id, 1);
  const level = await fetch(`${process.argv[2]}/config/users%20value`).then((answer) => answer.json());
  assert.equal(level.compatibilityLevel, "FULL");
  await assert.rejects(client.register(v2, { subject: "users value", compatibility: COMPATIBILITY.BACKWARD }),
    /Compatibility does not match/);
  await assert.rejects(client.register(broken), /incompatible/);
  assert.equal((await client.register(v2)).id, 2);

  assert.equal(await client.getRegistryId(subject, 1), 1);
  assert.equal(await client.getRegistryId(subject, "latest"), 2);
  assert.equal(await client.getLatestSchemaId(subject), 2);
  assert.equal(await client.getRegistryIdBySchema(subject, avro(v1)), 1);
  await assert.rejects(client.getRegistryIdBySchema(subject, avro(broken)), /Schema not found/);
  await assert.rejects(client.getLatestSchemaId("nobody"), /not found/);

  assert.equal((await client.getSchema(2)).fields.length, 2);
  await assert.rejects(client.getSchema(99), /Schema 99 not found/);
  const bytes = await client.encode(1, { id: 7 });
  assert.deepEqual([...bytes], [0, 0, 0, 0, 1, 14]);
  assert.equal((await client.decode(bytes)).id, 7);
  assert.equal((await client.decode(bytes, { [SchemaType.AVRO]: { readerSchema: v2 } })).plan, "free");

  const offered = Object.getOwnPropertyNames(SchemaRegistry.prototype);
  const missed = offered.filter((name) => !called.has(name) && !NOT_CALLED.has(name));
  assert.deepEqual(missed, [], "calls that are neither made nor known to be made by others");
  console.log([...called].sort().join(" "));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
