"""A private RabbitMQ node: its own home, cookie, name daemon and ports, and as small as Erlang lets it be."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from packhouse.processes import Program, StackError, wait_until
from packhouse.servers.base import Server
from packhouse.servers.probe import accepts_connections, replies

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one on the PATH would switch to another account
CONTROL = SERVER.with_name("rabbitmqctl")
VHOST = "packhouse"
CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_vhost = {vhost}
loopback_users = none
log.console = false
log.file.level = warning
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 512MB
"""
# One scheduler, no busy waiting, small tables: 124 MB resident instead of 141, and an idle node uses no processor time.
ERLANG = "+S 1:1 +A 16 +P 65536 +t 1048576 +stbt ns +zdbbl 8192 +sbwt none +sbwtdcpu none +sbwtdio none"
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"


class RabbitMQ(Server):
    name = "rabbitmq"
    start_seconds = 90

    @property
    def url(self) -> str:
        return self.vhost_url(VHOST)

    def vhost_url(self, vhost: str) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    def prepare(self) -> None:
        directory = self.home.data(self.name)
        for name in ("home", "log", "mnesia"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port, vhost=VHOST))
        (directory / "enabled_plugins").write_text("[].\n")
        self.home.ports.take("rabbitmq-dist")
        self._start_name_daemon()

    def program(self) -> Program:
        return Program(self.name, [str(SERVER)], self.home.log(self.name), environment=self._environment())

    def answers(self) -> bool:
        """The listener opens last; a node that answers the protocol header serves."""
        return replies(self.port, PROTOCOL_HEADER, b"\x01")

    def stop(self) -> None:
        super().stop()
        name_daemon = self.home.roster.living().get("epmd")
        if name_daemon is not None:
            name_daemon.stop()
        self.home.roster.forget("epmd")

    def control(self, *words: str) -> str:
        """What `rabbitmqctl` answers; each call costs half a second."""
        done = subprocess.run(  # noqa: S603  our own words
            [CONTROL, "-q", *words],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self._environment()},
        )
        if done.returncode:
            raise StackError(f"rabbitmqctl {' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout

    def add_vhosts(self, names: Iterable[str]) -> None:
        """Make virtual hosts that the guest account owns, all in one call."""
        calls = [
            f'catch rabbit_vhost:add(<<"{name}">>, <<"guest">>), '
            f'rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"{name}">>, '
            '<<".*">>, <<".*">>, <<".*">>, <<"guest">>)'
            for name in names
        ]
        self.control("eval", ", ".join(calls) + ".")

    def _environment(self) -> dict[str, str]:
        directory = self.home.data(self.name)
        return {
            "HOME": str(directory / "home"),
            "RABBITMQ_NODENAME": "packhouse@localhost",
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/nonexistent",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            "RABBITMQ_DIST_PORT": str(self.home.ports.of("rabbitmq-dist")),
            "RABBITMQ_SERVER_ERL_ARGS": ERLANG,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "true",  # without it a shell stands between us and the node
            "ERL_EPMD_PORT": str(self.home.ports.of("epmd")),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def _start_name_daemon(self) -> None:
        """Erlang would start one in the background that outlives the node; ours is on the list of what we end."""
        if "epmd" in self.home.roster.living():
            return
        port = self.home.ports.take("epmd")
        command = shutil.which("epmd")
        if command is None or not SERVER.exists():
            raise StackError("RabbitMQ is not installed; on Debian: apt-get install rabbitmq-server")
        words = [command, "-port", str(port), "-address", "127.0.0.1"]
        self._spawn(Program("epmd", words, self.home.log("epmd")))
        if not wait_until(lambda: accepts_connections("127.0.0.1", port), self.start_seconds):
            raise StackError("epmd did not start")
