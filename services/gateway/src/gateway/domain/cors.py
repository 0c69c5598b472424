"""Which pages of other origins a browser lets read our answers (spec 1.3). No unknown origin is ever reflected."""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.domain.headers import Header

_VARY: Final = (b"vary", b"Origin")
_SHARED: Final = (
    (b"access-control-allow-credentials", b"true"),
    (b"access-control-expose-headers", b"X-PF-Token, X-Request-Id, Idempotency-Replayed, Retry-After"),
    _VARY,
)
PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"Accept, Authorization, Content-Type, X-PF-Token, Idempotency-Key, X-Requested-With, X-Request-Id",
    ),
    (b"access-control-max-age", b"300"),
    (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
)
"""The answer to a browser that asks beforehand, beside what every answer to its origin carries."""


class Cors:
    """Headers by origin, made once for each configured one; where none is configured, no answer has any."""

    def __init__(self, origins: Iterable[str]) -> None:
        allowed = [origin.encode("ascii") for origin in origins]
        self._of_others: tuple[Header, ...] = (_VARY,) if allowed else ()
        self._of_known = {origin: ((b"access-control-allow-origin", origin), *_SHARED) for origin in allowed}

    def headers(self, origin: bytes | None) -> tuple[Header, ...]:
        """What every answer to this origin carries; caches learn that it depends on the origin."""
        return self._of_others if origin is None else self._of_known.get(origin, self._of_others)

    def is_preflight(self, method: str, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a browser asks beforehand for a page that may ask; an unknown origin's question is like any other."""
        if method != "OPTIONS" or b"access-control-request-method" not in headers:
            return False
        return headers.get(b"origin") in self._of_known
