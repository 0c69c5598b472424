"""The command line of a service, run as processes of its own."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest


async def run(environment: dict[str, str], *words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chassis", *words,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), error.decode()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def serving(environment: dict[str, str], *options: str) -> Any:
    """An API; its process, and a client of it."""
    port = free_port()
    return running(environment, port, "api", "--host", "127.0.0.1", "--port", str(port), *options)


@contextlib.asynccontextmanager
async def running(environment: dict[str, str], port: int, *words: str) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chassis", "pantry", *words, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            await until_ready(http)
            yield process, http
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_ready(http: httpx.AsyncClient) -> None:
    for _ in range(300):
        with contextlib.suppress(httpx.TransportError):
            if (await http.get("/health/ready")).status_code == 200:
                return
        await asyncio.sleep(0.1)
    raise AssertionError("not ready in 30 s")


async def test_migrate_is_harmless_to_repeat(environment: dict[str, str]) -> None:
    first, second = await run(environment, "pantry", "migrate"), await run(environment, "pantry", "migrate")

    assert (first[0], second[0]) == (0, 0), first[2] + second[2]
    assert "up to date" in second[1]


async def test_missing_setting_is_fatal_and_named(environment: dict[str, str]) -> None:
    del environment["PACKHOUSE_REDIS_URL"]

    status, out, error = await run(environment, "pantry", "api")

    assert (status, out) == (2, "")
    assert "PACKHOUSE_REDIS_URL" in error


async def test_failpoints_outside_the_test_environment_are_fatal(environment: dict[str, str]) -> None:
    environment |= {"PACKHOUSE_ENVIRONMENT": "production", "PACKHOUSE_FAILPOINTS": "x=kill"}

    status, _, error = await run(environment, "pantry", "worker")

    assert status == 2
    assert "test environment only" in error


async def test_jobs_are_listed_and_run_by_name(house: Any, environment: dict[str, str]) -> None:
    listed = await run(environment, "pantry", "job")
    done = await run(environment, "pantry", "job", "count-jars")
    unknown = await run(environment, "pantry", "job", "paint-jars")

    assert "count-jars\tevery 1 day" in listed[1]
    assert "delete-expired-keys" in listed[1]
    assert (done[0], done[1]) == (0, "count-jars: done, 0 items failed\n")
    assert json.loads(next(line for line in done[2].splitlines() if "jars.counted" in line))["jars"] == 0
    assert unknown[0] == 1
    assert "no job paint-jars" in unknown[2]


async def test_operators_commands_answer_on_stdout(house: Any, environment: dict[str, str]) -> None:
    verified = await run(environment, "pantry", "audit", "verify")
    held = await run(environment, "pantry", "held", "list")
    shown = await run(environment, "pantry", "held", "show", str(uuid4()))
    own = await run(environment, "pantry", "count-words", "two", "--words")

    assert verified[0] == 0
    assert "append-only" in verified[1]
    assert (held[0], held[1]) == (0, "")
    assert shown[0] == 1
    assert own[1] == "2 words: two --words\n"


async def test_audit_verify_notices_a_log_that_can_be_changed(
    house: Any, environment: dict[str, str], pantry_url: str
) -> None:
    import asyncpg

    admin = await asyncpg.connect(pantry_url)
    await admin.execute("alter table pantry.audit_logs disable trigger audit_logs_append_only")
    try:
        status, out, _ = await run(environment, "pantry", "audit", "verify")
    finally:
        await admin.execute("alter table pantry.audit_logs enable trigger audit_logs_append_only")
        await admin.close()

    assert status == 1
    assert "TRIGGER MISSING" in out


async def test_sigterm_lets_a_request_end_and_the_process_with_it(house: Any, environment: dict[str, str]) -> None:
    jar_id = await house.jar()
    path = f"/api/v1/jars/{jar_id}/open"
    headers = {"X-PF-Context": house.context("POST", path), "Idempotency-Key": "k"}
    environment["PACKHOUSE_FAILPOINTS"] = "idempotency.claimed=sleep:1.5"

    async with serving(environment, "--with-worker") as (process, http):
        asking = asyncio.create_task(http.post(path, headers=headers, timeout=10))
        await asyncio.sleep(0.5)
        started = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        answer = await asking
        out, _ = await asyncio.wait_for(process.communicate(), 25)

    assert answer.status_code == 200
    assert process.returncode == 0
    assert time.monotonic() - started < 10
    events = [json.loads(line)["event"] for line in out.decode().splitlines()]
    assert events[-1] == "process.stopped"
    assert await house.opened(jar_id) == 1


async def test_a_worker_with_a_port_tells_how_it_is_and_opens_no_door(house: Any, environment: dict[str, str]) -> None:
    port = free_port()
    environment["PACKHOUSE_WORKER_PORT"] = str(port)

    async with running(environment, port, "worker") as (process, http):
        metrics = (await http.get("/metrics")).text
        doors = [(await http.get(path)).status_code for path in ("/api/v1/jars", "/internal/v1/events")]
        os.kill(process.pid, signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 25)

    assert 'outbox_pending{service="pantry"}' in metrics
    assert 'job_period_seconds{job="count-jars"} 86400.0' in metrics
    assert doors == [404, 404]
    assert process.returncode == 0


@pytest.mark.parametrize(("word", "beside"), [("worker", True), ("door-watch", False)])
async def test_a_part_of_the_manifest_runs_in_the_worker_and_alone(
    house: Any, environment: dict[str, str], word: str, *, beside: bool
) -> None:
    port = free_port()
    environment["PACKHOUSE_WORKER_PORT"] = str(port)

    async with running(environment, port, word) as (process, _):
        os.kill(process.pid, signal.SIGTERM)
        out, _ = await asyncio.wait_for(process.communicate(), 25)

    lines = [json.loads(line) for line in out.decode().splitlines()]
    started = next(line for line in lines if line["event"] == "process.started")
    assert "door.watched" in {line["event"] for line in lines}
    assert {"door-watch", "health"} <= set(started["parts"])
    assert ("relay" in started["parts"]) == beside
    assert process.returncode == 0


async def test_a_process_killed_after_its_claim_leaves_a_key_that_can_be_used_again(
    house: Any, environment: dict[str, str]
) -> None:
    jar_id = await house.jar()
    path = f"/api/v1/jars/{jar_id}/open"
    headers = {"X-PF-Context": house.context("POST", path), "Idempotency-Key": "k"}
    environment["PACKHOUSE_FAILPOINTS"] = "idempotency.claimed=kill"

    async with serving(environment) as (process, http):
        with pytest.raises(httpx.TransportError):
            await http.post(path, headers=headers)
        await process.wait()
    early = await house.ask("POST", path, key="k")
    await house.lapse_leases()
    late = await house.ask("POST", path, key="k")

    assert process.returncode == -signal.SIGKILL
    assert (early.status_code, late.status_code) == (409, 200)
    assert await house.opened(jar_id) == 1
