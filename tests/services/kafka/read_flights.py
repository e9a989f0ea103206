"""Reads every flight of a topic with confluent-kafka's AvroDeserializer and compares it with the source.

Arguments: bootstrap servers, registry URL, topic, the CSV file that was written.

Fails unless each field equals the source, no record is lost or doubled, the records of a key are in their
order, and each key lies in the partition that librdkafka's `murmur2_random` chooses. Prints a summary as JSON.
"""

import json
import os
import sys
import time
from collections import Counter, defaultdict, deque

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import flights
from records import TIMEOUT_S, partitions, read_all


def partitions_by_librdkafka(bootstrap_servers, topic, partition_count, keys):
    """Lets librdkafka choose a partition for each key in a second topic of the same size."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(topic, partition_count, 1)])[topic].result(TIMEOUT_S)
    chosen = {}

    def delivered(error, message):
        assert error is None, error
        chosen[message.key()] = message.partition()

    producer = Producer({"bootstrap.servers": bootstrap_servers, "partitioner": "murmur2_random"})
    for key in keys:
        producer.produce(topic, key=key, value=b"", on_delivery=delivered)
        producer.poll(0)
    assert producer.flush(TIMEOUT_S) == 0, "librdkafka could not deliver the keys"
    return chosen


def main():
    bootstrap_servers, registry_url, topic, path = sys.argv[1:]
    started = time.monotonic()

    expected = defaultdict(deque)  # by key, in order
    expected_without_key = Counter()
    for row in flights.rows(path):
        if row["tailnum"] is None:
            expected_without_key[tuple(row.items())] += 1
        else:
            expected[row["tailnum"].encode()].append(row)
    keys = list(expected)

    partition_count = len(partitions(AdminClient({"bootstrap.servers": bootstrap_servers}), topic))
    chosen = partitions_by_librdkafka(bootstrap_servers, f"{topic}-partitions", partition_count, keys)

    deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry_url}))
    context = SerializationContext(topic, MessageField.VALUE)
    read = without_key = 0
    without_key_by_partition = Counter()
    for message in read_all(bootstrap_servers, topic):
        where = f"partition {message.partition()}, offset {message.offset()}"
        value = deserialize(message.value(), context)
        key = message.key()
        read += 1
        if key is None:
            without_key += 1
            without_key_by_partition[message.partition()] += 1
            expected_without_key[tuple(value.items())] -= 1
            continue
        assert expected[key], f"{where}: a record of {key} too many: {value}"
        source = expected[key].popleft()
        assert value == source, f"{where}: {value} where {source} should be"
        assert message.partition() == chosen[key], f"{where}: librdkafka puts {key} into {chosen[key]}"

    lost = sum(len(rows) for rows in expected.values())
    assert lost == 0, f"{lost} records with a key are lost"
    wrong = {row: count for row, count in expected_without_key.items() if count != 0}
    assert not wrong, f"records without a key that are lost (above 0) or too many (below 0): {wrong}"
    print(json.dumps({
        "records": read,
        "keys": len(keys),
        "records_without_key": without_key,
        "partitions": partition_count,
        "partitions_without_key": len(without_key_by_partition),
        "seconds": round(time.monotonic() - started, 1),
    }))


main()
