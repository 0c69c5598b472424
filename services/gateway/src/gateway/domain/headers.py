"""Headers on their way in and out. Nothing that tells who is asking passes from outside; only the gateway says that."""

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache

Header = tuple[bytes, bytes]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_SET_BY_GATEWAY = frozenset({b"host", b"authorization", b"forwarded", b"x-real-ip", b"x-request-id", b"expect"}) | {
    b"traceparent",
    b"tracestate",
}
_OURS = (b"x-pf-", b"x-user-", b"x-store-", b"x-internal-", b"x-forwarded-", b"x-original-", b"x-rewrite-")
_SET_BY_SERVER = frozenset({b"server", b"date"})

_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_NO_STORE = (b"cache-control", b"no-store")
_JSON_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def forwarded(headers: Iterable[Header]) -> list[tuple[str, str]]:
    """The headers of a client that a service may see: without those of one connection, and without every name that
    speaks for the caller. A name with an underscore is dropped, because some servers read it as one with a hyphen.

    Raises UnicodeDecodeError for values that are no text.
    """
    headers = list(headers)
    named = {token.strip().lower() for name, value in headers if name == b"connection" for token in value.split(b",")}
    return [
        (name.decode("ascii"), value.decode("utf-8"))
        for name, value in headers
        if not _is_withheld(name) and name not in named
    ]


@lru_cache(maxsize=1024)
def _is_withheld(name: bytes) -> bool:
    return name in _HOP_BY_HOP or name in _SET_BY_GATEWAY or name.startswith(_OURS) or b"_" in name


def returned(headers: Iterable[Header]) -> list[Header]:
    """The headers of a service's answer that the client gets, names in lower case."""
    lowered = [(name.lower(), value) for name, value in headers]
    return [pair for pair in lowered if pair[0] not in _HOP_BY_HOP and pair[0] not in _SET_BY_SERVER]


def secured(headers: Sequence[Header], more: Sequence[Header], *, is_api: bool, is_production: bool) -> list[Header]:
    """The headers with every security header that they do not have yet, and `more` as it is."""
    present = dict(headers)
    is_json = present.get(b"content-type", b"").startswith(b"application/json")
    wanted = _wanted(is_api=is_api, is_json=is_json, is_production=is_production)
    return [*headers, *(pair for pair in wanted if pair[0] not in present), *more]


@cache
def _wanted(*, is_api: bool, is_json: bool, is_production: bool) -> tuple[Header, ...]:
    chosen = ((is_api, _NO_STORE), (is_json, _JSON_POLICY), (is_production, _HSTS))
    return (*_SECURITY, *(header for is_chosen, header in chosen if is_chosen))
