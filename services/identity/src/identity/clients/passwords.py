"""Argon2id in a few threads of its own, so that the event loop and the memory stay free (spec 2.2)."""

import asyncio
import base64
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from chassis.telemetry import counter
from identity.settings import Settings
from kernel.refusal import RateLimited

Result = TypeVar("Result")

_computed = counter("password_hashes_total", "Argon2id computations, for setting and for verifying")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`stale` asks for a new hash of the same password: the stored one is weaker than what is configured."""

    matches: bool
    stale: bool = False


class Passwords:
    """Hashes and verifies, `password_slots` at once. When too many wait, the next is refused with RateLimited."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
            hash_len=settings.argon2_key_bytes,
            salt_len=settings.argon2_salt_bytes,
        )
        self._pool = ThreadPoolExecutor(settings.password_slots, thread_name_prefix="argon2")
        self._inside_max = settings.password_slots + settings.password_queue_max
        self._inside = 0
        self._nobody = _hash_of_nothing(settings)

    async def hash(self, password: str) -> str:
        """A PHC string with the configured parameters and a fresh salt."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password: str, stored: str | None) -> Verdict:
        """Costs one hash whether or not there is an account: without a stored hash a stand-in is verified."""
        return await self._run(lambda: self._verify(password, stored))

    def _verify(self, password: str, stored: str | None) -> Verdict:
        try:
            self._hasher.verify(stored or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return Verdict(matches=False)
        if stored is None:
            return Verdict(matches=False)
        return Verdict(matches=True, stale=self._is_weaker(stored))

    def _is_weaker(self, stored: str) -> bool:
        found, wanted = extract_parameters(stored), self._hasher
        return (
            found.type is not wanted.type
            or found.memory_cost < wanted.memory_cost
            or found.time_cost < wanted.time_cost
            or found.hash_len < wanted.hash_len
            or found.salt_len < wanted.salt_len
        )

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._inside >= self._inside_max:
            raise RateLimited(retry_after=1)
        self._inside += 1
        _computed.inc()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._inside -= 1


def _hash_of_nothing(settings: Settings) -> str:
    """A well-formed hash with the configured parameters that no password has: its digest is random."""
    parameters = f"m={settings.argon2_memory_kib},t={settings.argon2_passes},p={settings.argon2_parallelism}"
    salt, digest = secrets.token_bytes(settings.argon2_salt_bytes), secrets.token_bytes(settings.argon2_key_bytes)
    return f"$argon2id$v={ARGON2_VERSION}${parameters}${_phc_base64(salt)}${_phc_base64(digest)}"


def _phc_base64(raw: bytes) -> str:
    return base64.b64encode(raw).rstrip(b"=").decode()
