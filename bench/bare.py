"""Starts and stops the floors: bare processes on free ports, beside the stack that is measured."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Self

START_SECONDS = 20
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream bare {{ server {upstream}; keepalive 32; }}
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://bare; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def started(command: list[str], port: int, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """A child process that listens on `port`; yields its address and ends it by pid."""
    child = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(10)


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


def uvicorn(application: str, environment: Mapping[str, str] | None = None) -> AbstractContextManager[str]:
    """One bare application under uvicorn, with the same event loop and parser as the house."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port), "--log-level", "error"]
    return started([*command, "--loop", "uvloop", "--http", "httptools", "--no-access-log"], port, environment)


def proxy(upstream: str) -> AbstractContextManager[str]:
    port = free_port()
    return started([sys.executable, "-m", "bench.floors.proxy", str(port), upstream], port)


def nginx(upstream: str, folder: Path) -> AbstractContextManager[str]:
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port, upstream=upstream.removeprefix("http://")))
    return started(["nginx", "-c", str(configuration)], port)


class BareTrade:
    """The bare chain: proxy, orders and catalog, over the database of the stack."""

    def __init__(self, database: str, folder: Path, reads: Mapping[str, object]) -> None:
        self.database = database
        self.reads = folder / "reads.json"
        self.reads.write_text(json.dumps(reads))
        self._open = ExitStack()

    def __enter__(self) -> Self:
        environment = {"BENCH_DATABASE": self.database, "BENCH_READS": str(self.reads)}
        self.catalog = self._open.enter_context(uvicorn("bench.floors.trade:catalog", environment))
        orders = uvicorn("bench.floors.trade:orders", {**environment, "BENCH_CATALOG": self.catalog})
        self.orders = self._open.enter_context(orders)
        self.catalog_door = self._open.enter_context(proxy(self.catalog))
        self.orders_door = self._open.enter_context(proxy(self.orders))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
