"""Prints all records of a topic as Java's console consumer does, a line each, parts separated by tabs:
kind of timestamp and timestamp, partition, offset, headers, key, value.

Arguments: bootstrap servers, topic. Keys, values and headers are text without tabs and line ends.
"""

import sys

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME

from records import read_all

KINDS = {TIMESTAMP_CREATE_TIME: "CreateTime", TIMESTAMP_LOG_APPEND_TIME: "LogAppendTime"}


def text(part):
    return "null" if part is None else part.decode()


bootstrap_servers, topic = sys.argv[1:]
for message in read_all(bootstrap_servers, topic):
    kind, timestamp = message.timestamp()
    headers = ",".join(f"{key}:{text(value)}" for key, value in message.headers() or []) or "NO_HEADERS"
    print(f"{KINDS[kind]}:{timestamp}", f"Partition:{message.partition()}", f"Offset:{message.offset()}", headers,
          text(message.key()), text(message.value()), sep="\t")
