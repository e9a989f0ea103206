"""Writes records to every partition of a topic and reads them back, all by librdkafka.

Arguments: bootstrap servers, topic, number of records. The topic is created if it is not there.
"""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

bootstrap_servers, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

admin = AdminClient({"bootstrap.servers": bootstrap_servers})
topics = admin.list_topics(timeout=30).topics
if topic not in topics:
    admin.create_topics([NewTopic(topic, 3)])[topic].result(30)
    partitions = range(3)
else:
    partitions = sorted(topics[topic].partitions)

written = {partition: [] for partition in partitions}
producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True})
for number in range(count):
    partition = partitions[number % len(partitions)]
    key, value = f"key {number}".encode(), f"value {number}".encode()
    producer.produce(topic, partition=partition, key=key, value=value)
    written[partition].append((key, value))
left = producer.flush(60)
assert left == 0, f"{left} records were not delivered"

consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": topic, "enable.auto.commit": False})
consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
read = {partition: [] for partition in partitions}
for number in range(count):
    message = consumer.poll(60)
    assert message is not None, f"only {number} of {count} records could be read"
    assert message.error() is None, message.error()
    read[message.partition()].append((message.key(), message.value()))
consumer.close()

assert read == written, "the records read differ from those written"
print(f"{count} records read as written")
