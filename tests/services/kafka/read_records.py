"""Prints all records of a topic, a line each: partition, offset, key and value, separated by tabs.

Arguments: bootstrap servers, topic. Keys and values are text without tabs; no key is printed as an empty one.
"""

import sys

from confluent_kafka import Consumer, TopicPartition

TIMEOUT_S = 60

bootstrap_servers, topic = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": bootstrap_servers,
    "group.id": f"{topic}-reader",
    "enable.auto.commit": False,
    "check.crcs": True,
})
partitions = sorted(consumer.list_topics(topic, TIMEOUT_S).topics[topic].partitions)
ends = [consumer.get_watermark_offsets(TopicPartition(topic, partition), TIMEOUT_S)[1] for partition in partitions]
consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
left = sum(ends)
while left > 0:
    messages = consumer.consume(min(10_000, left), TIMEOUT_S)
    assert messages, f"{left} records could not be read within {TIMEOUT_S} s"
    left -= len(messages)
    for message in messages:
        assert message.error() is None, message.error()
        key, value = (message.key() or b"").decode(), message.value().decode()
        print(message.partition(), message.offset(), key, value, sep="\t")
consumer.close()
