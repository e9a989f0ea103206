"""Prints all records of partition 0 of a topic as Java's console consumer does, a line each, parts separated by tabs:
kind of timestamp and timestamp, partition, offset, headers, key, value.

Arguments: bootstrap servers, topic. Keys, values and headers are text without tabs and line ends.
"""

import sys

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Consumer, TopicPartition

TIMEOUT_S = 60
KINDS = {TIMESTAMP_CREATE_TIME: "CreateTime", TIMESTAMP_LOG_APPEND_TIME: "LogAppendTime"}


def text(part):
    return "null" if part is None else part.decode()


bootstrap_servers, topic = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": bootstrap_servers,
    "group.id": f"{topic}-reader",
    "enable.auto.commit": False,
    "check.crcs": True,
})
left = consumer.get_watermark_offsets(TopicPartition(topic, 0), TIMEOUT_S)[1]
consumer.assign([TopicPartition(topic, 0, 0)])
while left > 0:
    messages = consumer.consume(min(10_000, left), TIMEOUT_S)
    assert messages, f"{left} records could not be read within {TIMEOUT_S} s"
    left -= len(messages)
    for message in messages:
        assert message.error() is None, message.error()
        kind, timestamp = message.timestamp()
        headers = ",".join(f"{key}:{text(value)}" for key, value in message.headers() or []) or "NO_HEADERS"
        print(f"{KINDS[kind]}:{timestamp}", f"Partition:{message.partition()}", f"Offset:{message.offset()}", headers,
              text(message.key()), text(message.value()), sep="\t")
consumer.close()
