"""Reads all records of a topic with confluent-kafka, for the scripts beside it."""

from confluent_kafka import Consumer, TopicPartition

BATCH = 10_000
TIMEOUT_S = 60


def read_all(bootstrap_servers, topic):
    """Yields every message that lies in the topic now, in the order of offsets inside each partition."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap_servers,
        "group.id": f"{topic}-reader",
        "enable.auto.commit": False,
        "check.crcs": True,
    })
    places = [TopicPartition(topic, partition, 0) for partition in partitions(consumer, topic)]
    left = sum(consumer.get_watermark_offsets(place, TIMEOUT_S)[1] for place in places)
    consumer.assign(places)
    while left > 0:
        # Not more than there are: it returns once it has as many as asked for, or after the time.
        batch = consumer.consume(min(BATCH, left), TIMEOUT_S)
        assert batch, f"{left} records could not be read within {TIMEOUT_S} s"
        left -= len(batch)
        for message in batch:
            assert message.error() is None, message.error()
            yield message
    consumer.close()


def partitions(client, topic):
    """The numbers of the topic's partitions, as a consumer or an admin client sees them."""
    return sorted(client.list_topics(topic, TIMEOUT_S).topics[topic].partitions)
