"""Writes the flights of a CSV file with confluent-kafka's AvroSerializer, which registers the schema.

Arguments: bootstrap servers, registry URL, topic, schema file, CSV file. Prints the number of records.
"""

import os
import sys

from confluent_kafka import SerializingProducer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import StringSerializer

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import flights

bootstrap_servers, registry_url, topic, schema_path, csv_path = sys.argv[1:]

with open(schema_path, encoding="utf-8") as file:
    schema = file.read()
producer = SerializingProducer({
    "bootstrap.servers": bootstrap_servers,
    "partitioner": "murmur2_random",
    "key.serializer": StringSerializer("utf_8"),
    "value.serializer": AvroSerializer(SchemaRegistryClient({"url": registry_url}), schema),
})
failures = []
written = 0
for row in flights.rows(csv_path):
    producer.produce(
        topic,
        key=row["tailnum"],
        value=row,
        on_delivery=lambda error, _: failures.append(error) if error is not None else None,
    )
    producer.poll(0)
    written += 1
left = producer.flush(60)
assert left == 0, f"{left} records were not delivered"
assert not failures, failures[:3]
print(written)
