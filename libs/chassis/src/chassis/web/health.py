"""Health, metrics and the reference: the routes every process with HTTP has, for machines of the house only."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from chassis.answer import Answer, refused, reply
from chassis.telemetry import get_logger
from chassis.telemetry.metrics import CONTENT_TYPE, rendered
from kernel.refusal import Unavailable

if TYPE_CHECKING:
    from chassis.floor import Floor

CHECK_SECONDS: Final = 1.0

log = get_logger(__name__)
Check = Callable[[], Awaitable[Any]]


async def failures(floor: "Floor") -> dict[str, str]:
    """What this process cannot reach, by name; a check has one second."""
    checks = checks_of(floor)
    outcomes = await asyncio.gather(*(_outcome(name, check) for name, check in checks.items()))
    return {name: problem for name, problem in zip(checks, outcomes, strict=True) if problem is not None}


def checks_of(floor: "Floor") -> dict[str, Check]:
    """One check per dependency: those of the floor and those of the manifest."""
    checks: dict[str, Check] = {"redis": floor.ping_redis}
    if floor.service.metadata is not None:
        checks |= {"postgres": floor.ping_postgres, "rabbitmq": floor.ping_rabbitmq}
    for name, check in floor.service.checks.items():
        checks[name] = _bound(check, floor)
    return checks


def live(floor: "Floor") -> Answer:
    return reply({"status": "live"}, headers=_headers(floor))


async def ready(floor: "Floor", request_id: str) -> Answer:
    """200, or 503 with the failures per dependency; no host, port or message of a driver is told."""
    problems = await failures(floor)
    if not problems:
        return reply({"status": "ready"}, headers=_headers(floor))
    refusal = Unavailable(next(iter(problems)))
    refusal.details = {"failures": problems}
    answer = refused(refusal, request_id)
    return Answer(answer.body, answer.status, (*answer.headers, *_headers(floor).items()))


def metrics() -> Answer:
    return Answer(rendered(), content_type=CONTENT_TYPE)


def _bound(check: Callable[["Floor"], Awaitable[None]], floor: "Floor") -> Check:
    return lambda: check(floor)


async def _outcome(name: str, check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return "timeout"
    except Exception as error:  # noqa: BLE001  whatever a driver raises, the dependency is not usable
        log.warning("health.failed", dependency=name, problem=type(error).__name__)
        return "unreachable"
    return None


def _headers(floor: "Floor") -> dict[str, str]:
    return {"x-pf-env": floor.settings.environment}
