"""JSON bodies read without any of the liberties parsers take (spec 1.2, F-I2, F-I6).

Refused: duplicate keys, NaN and infinities, numbers beyond a double, more than 32 levels, trailing data, lone
surrogates and NUL. The text is then handed on as it is, so that the model's own strict reader sees what was checked.
"""

import json
import math
from typing import Any, Final, NoReturn

from kernel.refusal import Invalid

DEPTH_MAX: Final = 32
BODY_MAX: Final = 1024 * 1024


def checked(raw: bytes) -> Any:
    """The value of a JSON text. Raises `Invalid` with details {error} for anything that is not plain, strict JSON."""
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except UnicodeDecodeError:
        raise malformed("not UTF-8") from None
    except RecursionError:
        raise malformed("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise malformed(f"{error.msg.lower()} at character {error.pos}") from None
    except ValueError as error:
        raise malformed(str(error) if isinstance(error, _RefusedError) else "number out of range") from None
    if raw.count(b"[") + raw.count(b"{") > DEPTH_MAX and _deeper_than(value, DEPTH_MAX):
        raise malformed("nested too deeply")
    if b"\\u" in raw:
        _refuse_bad_characters(value)
    return value


def malformed(error: str) -> Invalid:
    return Invalid(details={"error": error})


class _RefusedError(ValueError):
    """What this module refuses on top of the parser."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _RefusedError("duplicate key")
    return made


def _constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _RefusedError("number out of range")
    return number


def _deeper_than(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [child for parent in layer for child in _children(parent) if isinstance(child, (dict, list))]
        if not layer:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _refuse_bad_characters(value: Any) -> None:
    """Only escapes can smuggle NUL or half a surrogate pair into text that was valid UTF-8."""
    waiting = [value]
    while waiting:
        present = waiting.pop()
        if isinstance(present, str):
            _refuse_bad_text(present)
        elif isinstance(present, (dict, list)):
            waiting.extend(_children(present))
            waiting.extend(present if isinstance(present, dict) else ())


def _refuse_bad_text(text: str) -> None:
    if "\x00" in text:
        raise malformed("NUL in a string")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise malformed("lone surrogate in a string") from None
