"""Apache Kafka of one node from its Maven jars, in a temporary folder, for measuring. `./test` fetches the jars."""

import os
import pathlib
import socket
import subprocess
import tempfile
import time

from confluent_kafka.admin import AdminClient, NewTopic

VERSION = "4.3.1"
CACHE = pathlib.Path(os.environ.get("SR_CACHE") or pathlib.Path.home() / ".cache/schema-registry-tests")
JARS = CACHE / f"kafka-{VERSION}" / "libs"
START_DEADLINE_S = 180
ANSWER_S = 30

# Any 16 bytes in URL-safe base64 without padding.
CLUSTER_ID = "c2NoZW1hLXJlZ2lzdHJ5MQ"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{client}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


def java(*arguments, heap="1g"):
    return ["java", f"-Xmx{heap}", "-cp", str(JARS / "*"), *map(str, arguments)]


def free_ports(count):
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


class Kafka:
    """A running broker; a context manager that stops it by its process id."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="kafka-")
        folder = pathlib.Path(self._folder.name)
        client, controller = free_ports(2)
        self.address = f"127.0.0.1:{client}"
        properties = folder / "server.properties"
        properties.write_text(PROPERTIES.format(client=client, controller=controller, data=folder / "data"))
        format_command = java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties)
        subprocess.run(format_command, check=True, stdout=subprocess.DEVNULL)
        with open(folder / "log", "wb") as log:
            self._process = subprocess.Popen(java("kafka.Kafka", properties), stdout=log, stderr=log, cwd=folder)
        self._admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                end = (folder / "log").read_text()[-2000:]
                self.__exit__()
                raise RuntimeError(f"Kafka did not start; the end of its log:\n{end}")
        return self

    def _is_up(self):
        try:
            return len(self._admin.list_topics(timeout=1).brokers) == 1
        except Exception:  # not yet; the deadline is the caller's
            return False

    def create_topic(self, name, partitions):
        """A topic of one replica, as `min.insync.replicas` of one node allows."""
        self._admin.create_topics([NewTopic(name, partitions, 1)])[name].result(ANSWER_S)

    def delete_topic(self, name):
        """Deletes a topic, so that the disk does not fill up with what was measured."""
        self._admin.delete_topics([name])[name].result(ANSWER_S)

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
