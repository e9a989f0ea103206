"""Prints, for each key of a file (one a line, in hexadecimal), the partitions of a topic that librdkafka's
partitioners choose, separated by tabs.

Arguments: bootstrap servers, topic, file, names of partitioners. No key may come twice.
"""

import sys
from array import array

from confluent_kafka import Producer

TIMEOUT_S = 120

bootstrap_servers, topic, path, *partitioners = sys.argv[1:]
keys = [bytes.fromhex(line.strip()) for line in open(path)]
places = {key: place for place, key in enumerate(keys)}


def chosen_by(partitioner):
    chosen = array("i", [-1]) * len(keys)

    def delivered(error, message):
        assert error is None, error
        # A key of no bytes comes back as none.
        chosen[places[message.key() or b""]] = message.partition()

    producer = Producer({
        "bootstrap.servers": bootstrap_servers,
        "partitioner": partitioner,
        "linger.ms": 50,
        "queue.buffering.max.messages": len(keys),
    })
    for key in keys:
        producer.produce(topic, key=key, value=b"", on_delivery=delivered)
        producer.poll(0)
    assert producer.flush(TIMEOUT_S) == 0, "librdkafka could not deliver the keys"
    return chosen


chosen = [chosen_by(partitioner) for partitioner in partitioners]
sys.stdout.write("".join("\t".join(map(str, partitions)) + "\n" for partitions in zip(*chosen)))
