//! Tests of `schema-core` through its public surface, driven by the tables in `testdata/`.

mod avro_hostile;
mod avro_limits;
mod avro_memory;
mod avro_model;
mod avro_normal;
mod avro_oracle;
mod avro_properties;
mod avro_references;
mod avro_refused;
mod avro_tags;
mod avro_text;
mod compatibility;
mod fingerprint;
mod json;
mod table;
