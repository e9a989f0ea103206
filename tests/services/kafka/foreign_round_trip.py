"""Creates a topic, writes records and reads them back, all by librdkafka.

Arguments: bootstrap servers, number of records.
"""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC = "foreign-round-trip"

bootstrap_servers, count = sys.argv[1], int(sys.argv[2])

admin = AdminClient({"bootstrap.servers": bootstrap_servers})
for future in admin.create_topics([NewTopic(TOPIC, 1, 1)]).values():
    future.result(30)

written = [(f"key {number}".encode(), f"value {number}".encode()) for number in range(count)]
producer = Producer({"bootstrap.servers": bootstrap_servers, "enable.idempotence": True})
for key, value in written:
    producer.produce(TOPIC, key=key, value=value)
left = producer.flush(30)
assert left == 0, f"{left} records were not delivered"

consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": TOPIC, "enable.auto.commit": False})
consumer.assign([TopicPartition(TOPIC, 0, 0)])
read = []
while len(read) < count:
    message = consumer.poll(30)
    assert message is not None, f"only {len(read)} of {count} records could be read"
    assert message.error() is None, message.error()
    read.append((message.key(), message.value()))
consumer.close()

assert read == written, "the records read differ from those written"
print(f"{len(read)} records read as written")
