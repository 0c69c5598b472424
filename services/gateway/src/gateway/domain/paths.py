"""One spelling for every path, so that no guard can be walked around with another one."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from kernel.refusal import Invalid

_UNSAFE = re.compile(rb"%(?![0-9A-Fa-f]{2})|%(?:2[Ff]|5[Cc]|25|[01][0-9A-Fa-f]|7[Ff])|//|\\|[^\x21-\x7e]|^[^/]")
_DOTS = re.compile(r"/\.{1,2}(?:/|$)")
_KEPT = "/:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Path:
    """`plain` is the decoded path that guards and services see, `wire` the same path as it is written in a request."""

    plain: str
    wire: str


def normalised(raw: bytes) -> Path:
    """The one spelling of a request's path, aliases rewritten.

    Raises Invalid for a path with an encoded slash, backslash, percent or control character, an empty or dotted
    segment, or bytes that are no UTF-8: nobody honest writes these.
    """
    if _UNSAFE.search(raw):
        raise _refused()
    if b"%" not in raw:
        plain = wire = raw.decode("ascii")
    else:
        try:
            plain = unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            raise _refused() from None
        wire = quote(plain, safe=_KEPT)
    if "/." in plain and _DOTS.search(plain):
        raise _refused()
    if plain.startswith("/api/admin"):
        return Path(_unaliased(plain), _unaliased(wire))
    return Path(plain, wire)


def is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")


def _unaliased(path: str) -> str:
    """`/api/admin/v1/x` and `/api/admin/x` mean `/api/v1/admin/x` (spec 11)."""
    for alias in ("/api/admin/v1", "/api/admin"):
        rest = path.removeprefix(alias)
        if rest != path and (not rest or rest[0] == "/"):
            return f"/api/v1/admin{rest}"
    return path


def _refused() -> Invalid:
    return Invalid(message="malformed path", details={"path": "is invalid"})
