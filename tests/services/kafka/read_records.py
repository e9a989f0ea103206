"""Prints all records of a topic, a line each: partition, offset, key and value, separated by tabs.

Arguments: bootstrap servers, topic. Keys and values are text without tabs; no key is printed as an empty one.
"""

import sys

from records import read_all

bootstrap_servers, topic = sys.argv[1:]
for message in read_all(bootstrap_servers, topic):
    key, value = (message.key() or b"").decode(), message.value().decode()
    print(message.partition(), message.offset(), key, value, sep="\t")
