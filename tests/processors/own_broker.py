"""A Kafka of one test alone, so that it may be killed."""

from pathlib import Path

from bootstrap.local_stack import ports
from bootstrap.local_stack.child import Child
from bootstrap.local_stack.kafka import KafkaServer
from bootstrap.local_stack.servers import kafka_server, wait_until_ready


class OwnBroker:
    """A Kafka of this test alone, so that it may be killed."""

    def __init__(self, server: KafkaServer) -> None:
        self.server = server
        self.child: Child | None = None

    def start(self) -> None:
        self.child = self.server.start()
        wait_until_ready(self.server, self.child)

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.process.wait(10)


def broker_at(folder: Path) -> OwnBroker:
    """One that keeps its data in `folder`; not started yet."""
    port = ports.choose([])
    broker = OwnBroker(kafka_server(folder, port, ports.choose([], avoid=[port])))
    broker.server.prepare()
    return broker
