"""The emulator that Google ships, as a server of a folder: the same suite runs against it where its jar is."""

import os
import shutil
from pathlib import Path

from packhouse.processes import Program
from packhouse.servers import Server
from packhouse.servers.probe import replies

JAR_VARIABLE = "PUBSUB_EMULATOR_JAR"


class OfficialPubSub(Server):
    name = "official-pubsub"
    start_seconds = 60

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """It keeps nothing on disk."""

    def program(self) -> Program:
        words = ["java", "-jar", os.environ[JAR_VARIABLE], "--host=127.0.0.1", f"--port={self.port}"]
        return Program(self.name, words, self.home.log(self.name))

    def answers(self) -> bool:
        return replies(self.port, b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.")


def why_not() -> str:
    """Empty when the official emulator can be run here."""
    jar = os.environ.get(JAR_VARIABLE, "")
    if not jar:
        return f"{JAR_VARIABLE} names no jar of the official emulator"
    if not Path(jar).is_file():
        return f"{JAR_VARIABLE}: there is no {jar}"
    return "" if shutil.which("java") else "there is no java to run the official emulator"
