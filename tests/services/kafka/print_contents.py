"""Prints all records of a topic, a line each: timestamp, key, value, and name and value of each header, all but the
timestamp in hexadecimal digits, `-` for null, separated by spaces.

Arguments: bootstrap servers, topic.
"""

import sys

from records import read_all


def digits(part):
    return "-" if part is None else "x" + part.hex()


bootstrap_servers, topic = sys.argv[1:]
for message in read_all(bootstrap_servers, topic):
    headers = [part for key, value in message.headers() or [] for part in (digits(key.encode()), digits(value))]
    print(message.timestamp()[1], digits(message.key()), digits(message.value()), *headers)
