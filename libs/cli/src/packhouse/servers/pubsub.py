"""A private Pub/Sub: the emulator of this house, which keeps everything in memory."""

import sys
from importlib.util import find_spec
from typing import ClassVar, Final

from packhouse.processes import Program, StackError
from packhouse.servers.base import Server
from packhouse.servers.probe import accepts_connections
from packhouse.storage_account import PROJECT

TOPIC: Final = "storage-objects"
"""What both buckets tell of their objects."""

SUBSCRIPTION: Final = "media-objects"


class PubSub(Server):
    name: ClassVar = "pubsub"

    @property
    def url(self) -> str:
        """The scheme is only for people: Google's clients want host and port, `address`."""
        return f"grpc://{self.address}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        require_emulators()

    def program(self) -> Program:
        words = ["pubsub", "--port", str(self.port), "--project", PROJECT, "--subscription", f"{TOPIC}:{SUBSCRIPTION}"]
        return Program(self.name, [sys.executable, "-m", "emulators", *words], self.home.log(self.name))

    def answers(self) -> bool:
        return accepts_connections("127.0.0.1", self.port)


def require_emulators() -> str:
    """Where the emulators are; raises StackError when they are not installed."""
    found = find_spec("emulators")
    if found is None or found.origin is None:
        raise StackError("the emulators are not installed; `make ready` does it")
    return found.origin
