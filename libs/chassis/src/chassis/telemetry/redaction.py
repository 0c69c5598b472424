"""What must never be written down, wherever it comes from (spec 16.3)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

REDACTED = "[redacted]"
DEPTH_MAX = 6

_PRIVATE_KEY = re.compile(
    r"pass(word|wd|phrase)|token|secret|authorization|cookie|credential|api_?key|private_?key|jwt|bearer"
    r"|e[-_]?mail|phone|address|street|line[12]$|postal|(first|last|full|contact|legal)[-_]?name|card|cvc|iban",
    re.IGNORECASE,
)
_PRIVATE_TEXT = re.compile(
    r"[\w.+%-]+@[\w-]+\.[\w.-]+"  # an e-mail address
    r"|eyJ[\w-]{6,}\.[\w-]*\.?[\w-]*"  # a JSON web token
    r"|(?<=earer )\S+"  # a bearer credential
    r"|(?:sk|rk|whsec)_\w{8,}"  # a payment provider's key
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # the log-in part of a URL
)


@lru_cache(maxsize=4096)
def is_private(key: str) -> bool:
    """Whether values under this key are about people or secrets."""
    return _PRIVATE_KEY.search(key) is not None


def scrubbed(text: str) -> str:
    """The text without e-mail addresses, tokens and credentials; for messages that others wrote."""
    if "@" in text or "eyJ" in text or "earer " in text or "k_" in text or "sec_" in text:
        return _PRIVATE_TEXT.sub(REDACTED, text)
    return text


def redacted(fields: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """A copy in which private values are replaced, at any depth up to six; what lies deeper is left out."""
    return {key: REDACTED if is_private(key) else _clean(value, depth) for key, value in fields.items()}


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return scrubbed(value)
    if value is None or isinstance(value, (int, float, UUID)):
        return value
    if depth >= DEPTH_MAX:
        return "[deep]"
    if isinstance(value, Mapping):
        return redacted({str(key): inner for key, inner in value.items()}, depth + 1)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(inner, depth + 1) for inner in value]
    return scrubbed(str(value))
