"""The life of one process: serve HTTP, work in the background, or both in one loop; end within 25 s of SIGTERM."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import uvicorn
import uvloop
from starlette.types import ASGIApp

from chassis.floor import Floor, open_floor
from chassis.manifest import Service
from chassis.settings import ServiceSettings
from chassis.telemetry import get_logger, shut_down
from chassis.web import create_app, create_worker_app
from chassis.web.health import failures

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104  a container's default
GRACE_SECONDS: Final = 25
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than any pool of ours keeps an idle connection, so that none is closed while a request is on its way."""
PARTING_SECONDS: Final = 1.0
"""How long clients are told with each answer that it is the connection's last, before idle connections are closed."""
_GC_THRESHOLDS: Final = (25_000, 20, 50)

Result = TypeVar("Result")
Part = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
log = get_logger(__name__)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def serve(service: Service, settings: ServiceSettings, *, host: str, port: int, with_worker: bool) -> None:
    """Answer HTTP until SIGTERM; with `with_worker` also relay, consume and run jobs, in the same loop."""
    async with open_floor(service, settings) as floor:
        parts: dict[str, Part] = {"api": _answering(create_app(floor), floor, host, port)}
        if with_worker and service.metadata is not None:
            parts |= worker_parts(floor)
        await _live(floor, parts)
    shut_down()


async def work(service: Service, settings: ServiceSettings, *, only: str | None = None) -> None:
    """Relay, consume and run jobs until SIGTERM, or one of them; on its port, if it has one, tell how it is."""
    async with open_floor(service, settings) as floor:
        parts = {name: part for name, part in worker_parts(floor).items() if only in {None, name}}
        if settings.worker_port is not None:
            parts["health"] = _answering(create_worker_app(floor), floor, EVERYWHERE, settings.worker_port)
        await _live(floor, parts)
    shut_down()


def worker_parts(floor: Floor) -> Mapping[str, Part]:
    """The loops of a worker by the name of the command that runs one alone."""
    from chassis.inbox import Consumer
    from chassis.jobs import Scheduler
    from chassis.outbox import Relay

    own = {name: partial(part, floor) for name, part in floor.service.parts.items()}
    return {"relay": Relay(floor).run, "consume": Consumer(floor).run, "jobs": Scheduler(floor).run, **own}


def _answering(app: ASGIApp, floor: Floor, host: str, port: int) -> Part:
    """A part that answers HTTP."""
    server = _Server(configuration(app, floor, host=host, port=port))

    async def answer(stop: asyncio.Event) -> None:
        ending = asyncio.create_task(server.exit_at(stop))
        try:
            await server.serve()
        finally:
            ending.cancel()

    return answer


async def _live(floor: Floor, parts: Mapping[str, Part]) -> None:
    """Run the parts until a signal comes or one of them ends; then all of them have 25 s to finish what they hold."""
    stop = asyncio.Event()
    with _signals_set(stop):
        problems = await failures(floor)
        log.info("process.started", parts=sorted(parts), missing=problems)
        tasks = {name: asyncio.create_task(part(stop), name=name) for name, part in parts.items()}
        _settle_memory()
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({waiting, *tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        log.info("process.stopping")
        await _drain(tasks)
        waiting.cancel()
    log.info("process.stopped")


async def _drain(tasks: Mapping[str, asyncio.Task[None]]) -> None:
    """A part that failed fails the process, so that whoever watches it starts it again."""
    _, late = await asyncio.wait(tasks.values(), timeout=GRACE_SECONDS)
    for task in late:
        log.warning("process.part_cut_off", part=task.get_name())
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in tasks.values():
        if not task.cancelled():
            task.result()


@contextmanager
def _signals_set(stop: asyncio.Event) -> Generator[None, None, None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _settle_memory() -> None:
    """What was imported stays for good, so the collector need not look at it again: that is most of a pause."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


class _Server(uvicorn.Server):
    """Leaves signals to the process, which has more than HTTP to end."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def exit_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Part from the clients first: a connection closed by surprise cuts the request that is on its way in it."""
        for server in self.servers:
            server.close()
        self.server_state.default_headers.append((b"connection", b"close"))
        for _ in range(20):
            if self.server_state.connections:
                await asyncio.sleep(PARTING_SECONDS / 20)
        await super().shutdown(sockets)


def configuration(app: ASGIApp, floor: Floor, *, host: str, port: int) -> uvicorn.Config:
    """How a process serves an app; a test that serves one itself takes the same."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools" if floor.service.protocol is None else floor.service.protocol(floor),
        ws="none",
        lifespan="auto" if floor.service.edge else "off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS - 2,
    )
