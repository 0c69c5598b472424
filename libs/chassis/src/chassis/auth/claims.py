"""Claims of an opened token, each demanded and checked for its type before anything reads it."""

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from chassis.auth.tokens import refuse
from kernel.refusal import Unauthenticated

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=StrEnum)

_TEXT_LENGTH_MAX = 2048
_INSTANT_MAX = 2**40


def demanded(claims: Mapping[str, Any], name: str, parse: Callable[[Any], Value]) -> Value:
    """The claim as its type; a token without it, or with another type there, is refused."""
    try:
        return parse(claims[name])
    except (KeyError, ValueError, AttributeError):
        refuse()


def offered(claims: Mapping[str, Any], name: str, parse: Callable[[Any], Value]) -> Value | None:
    """The claim as its type, or None when the token has none; null is not "none"."""
    return demanded(claims, name, parse) if name in claims else None


def text(value: Any) -> str:
    if type(value) is not str or not 0 < len(value) <= _TEXT_LENGTH_MAX:
        raise ValueError("not a text")
    return value


def uuid(value: Any) -> UUID:
    """A uuid in its canonical spelling only, so that one id has one spelling in every cache key."""
    parsed = UUID(text(value))
    if str(parsed) != value:
        raise ValueError("not a canonical uuid")
    return parsed


def instant(value: Any) -> int:
    """Whole seconds since 1970; no text, no float, no bool, nothing astronomically large."""
    if type(value) is not int or not 0 <= value <= _INSTANT_MAX:
        raise ValueError("not an instant")
    return value


def one_of(choices: type[Choice]) -> Callable[[Any], Choice]:
    return lambda value: choices(text(value))


def expect(claims: Mapping[str, Any], **expected: str) -> None:
    """Refuse a token of which one of these claims is not exactly that text (a list that holds it is another thing)."""
    for name, value in expected.items():
        if demanded(claims, name, text) != value:
            refuse()


def expect_alive(
    claims: Mapping[str, Any], *, now: float | None, skew: int, life: int, allow_expired: bool = False
) -> tuple[int, int]:
    """(iat, exp) of a token that has begun, is not over and does not claim a longer life than its kind has.

    Raises Unauthenticated "token_expired" for one that is over, "token_invalid" for everything else.
    """
    at = time.time() if now is None else now
    issued_at, expires_at = demanded(claims, "iat", instant), demanded(claims, "exp", instant)
    if issued_at > at + skew or not 0 < expires_at - issued_at <= life:
        refuse()
    if expires_at + skew <= at and not allow_expired:
        raise Unauthenticated("token_expired")
    return issued_at, expires_at
