"""What the head of a request may look like before anybody acts on it (reliability 3.13, F-I4).

The parser already refuses what no server should take: two lengths, a length beside an encoding, folded lines, bare line
feeds, control characters. Here stands what it lets through and what servers are known to read in different ways.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from gateway.domain.headers import Header
from kernel.refusal import Invalid

HEADERS_MAX: Final = 64
HEAD_BYTES_MAX: Final = 16 * 1024
_LINE_EXTRA: Final = 4
"""A colon, a blank and the end of the line."""

_ONCE: Final = frozenset(
    {
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"idempotency-key",
        b"origin",
        b"transfer-encoding",
    }
)
"""Headers of which two servers would believe two different ones."""


def head_problem(target: bytes, headers: Sequence[Header], version: str, *, is_short: bool) -> Invalid | None:
    """Why this head is refused; None when all is well.

    `headers` have names in lower case. `is_short` says that their size need not be looked at.
    """
    known = dict(headers)
    if len(headers) > HEADERS_MAX or not (is_short or _size(target, headers) <= HEAD_BYTES_MAX):
        return too_large()
    if len(known) != len(headers):
        twice = _given_twice(headers)
        if twice is not None:
            return malformed(twice.decode(), "must be given once")
    if b"transfer-encoding" in known and (version == "1.0" or known[b"transfer-encoding"].lower() != b"chunked"):
        return malformed("transfer-encoding", "is invalid")
    if version not in {"1.0", "1.1"}:
        return malformed("version", "is invalid")
    if b"host" not in known and version == "1.1":
        return malformed("host", "is required")
    return malformed("target", "must be a path") if target[:1] != b"/" or b"#" in target else None


def _given_twice(headers: Sequence[Header]) -> bytes | None:
    """A header that must stand once and does not."""
    times = Counter(name for name, _ in headers)
    return next((name for name in sorted(_ONCE) if times[name] > 1), None)


def malformed(field: str, text: str) -> Invalid:
    return Invalid("malformed_request", "malformed request", details={field: text})


def too_large() -> Invalid:
    text = f"must be at most {HEADERS_MAX} lines and {HEAD_BYTES_MAX} bytes"
    return Invalid("headers_too_large", "headers too large", details={"headers": text})


def too_slow(part: str) -> Invalid:
    """The client has not sent this part of its request in time."""
    return Invalid("request_too_slow", "request too slow", details={part: "took too long"})


def _size(target: bytes, headers: Sequence[Header]) -> int:
    return len(target) + sum(len(name) + len(value) + _LINE_EXTRA for name, value in headers)
