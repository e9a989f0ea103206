"""Produces to a broker with confluent-kafka and reads everything back with assigned partitions.

usage: fake_broker.py BOOTSTRAP_SERVERS

For each codec: idempotent producing with acks=all to a topic created by an admin client, then every partition is
consumed to its end and compared with what was sent, in order. Prints one line per codec; exits with 1 at the
first difference.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 3
RECORDS = 5000
DEADLINE_S = 60


def fail(message):
    sys.exit(f"FAILED: {message}")


def expected_record(index):
    """Key, value and headers of record `index`: null keys, tombstones and repeated header keys among them."""
    key = None if index % 7 == 0 else f"key-{index}".encode()
    value = None if index % 11 == 0 and key is not None else f"value-{index}-".encode() * (1 + index % 20)
    headers = [("h", b"1"), ("h", None), ("index", str(index).encode())] if index % 5 == 0 else []
    return key, value, headers


def create_topic(servers, topic):
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS)])[topic].result(DEADLINE_S)
    try:
        admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS)])[topic].result(DEADLINE_S)
    except Exception as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            fail(f"second creation answered {error}")
    else:
        fail("second creation of a topic succeeded")


def produce(servers, topic, codec):
    """Sends all records; returns per partition what was acknowledged, by offset."""
    producer = Producer({
        "bootstrap.servers": servers,
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": codec,
        "linger.ms": 5,
    })
    acknowledged = [{} for _ in range(PARTITIONS)]

    def on_delivery(index):
        def report(error, message):
            if error is not None:
                fail(f"record {index}: {error}")
            acknowledged[message.partition()][message.offset()] = index
        return report

    for index in range(RECORDS):
        key, value, headers = expected_record(index)
        producer.produce(topic, key=key, value=value, headers=headers, partition=index % PARTITIONS,
                         timestamp=1_700_000_000_000 + index, on_delivery=on_delivery(index))
        producer.poll(0)
    left = producer.flush(DEADLINE_S)
    if left:
        fail(f"{left} records not acknowledged")
    return acknowledged


def consume(servers, topic, acknowledged):
    consumer = Consumer({
        "bootstrap.servers": servers,
        "group.id": "unused",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "check.crcs": True,
    })
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    deadline = time.monotonic() + DEADLINE_S
    next_offset, at_end = [0] * PARTITIONS, set()
    while len(at_end) < PARTITIONS:
        if time.monotonic() > deadline:
            fail(f"read up to {next_offset} in {DEADLINE_S} s")
        for message in consumer.consume(500, timeout=1):
            if message.error() is not None:
                if message.error().code() != KafkaError._PARTITION_EOF:
                    fail(str(message.error()))
                at_end.add(message.partition())
                continue
            check(message, acknowledged[message.partition()], next_offset[message.partition()])
            next_offset[message.partition()] += 1
    for partition in range(PARTITIONS):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=DEADLINE_S)
        if (low, high) != (0, next_offset[partition]):
            fail(f"watermarks of partition {partition} are {(low, high)}, read {next_offset[partition]}")
    consumer.close()
    return sum(next_offset)


def check(message, acknowledged, offset):
    if message.offset() != offset:
        fail(f"partition {message.partition()}: offset {message.offset()}, expected {offset}")
    index = acknowledged[offset]
    key, value, headers = expected_record(index)
    found = (message.key(), message.value(), message.headers() or [], message.timestamp()[1])
    expected = (key, value, headers, 1_700_000_000_000 + index)
    if found != expected:
        fail(f"record {index}: {found}, expected {expected}")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    servers = sys.argv[1]
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        topic = f"foreign-{codec}"
        create_topic(servers, topic)
        acknowledged = produce(servers, topic, codec)
        read = consume(servers, topic, acknowledged)
        if read != RECORDS:
            fail(f"{codec}: read {read} of {RECORDS} records")
        print(f"{codec}: {read} records equal")


main()
