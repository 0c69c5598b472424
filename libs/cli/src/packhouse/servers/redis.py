"""A private Redis that keeps nothing on disk."""

from packhouse.processes import Program
from packhouse.servers.base import Server
from packhouse.servers.probe import replies


class Redis(Server):
    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        self.home.data(self.name).mkdir(parents=True, exist_ok=True)

    def program(self) -> Program:
        options = {
            "--bind": "127.0.0.1",
            "--port": str(self.port),
            "--dir": str(self.home.data(self.name)),
            "--save": "",
            "--appendonly": "no",
            "--databases": "64",
        }
        words = [word for option in options.items() for word in option]
        return Program(self.name, ["redis-server", *words], self.home.log(self.name))

    def answers(self) -> bool:
        return replies(self.port, b"PING\r\n", b"+PONG")
