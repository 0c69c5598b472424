"""Expected refusals: what a caller did wrong, or what cannot be done now, as a small typed tree.

A use case raises a refusal and says nothing about HTTP; `chassis.web` maps the tree to the envelope of spec 1.1 in one
place. Programs may branch on `code` and `reason` only, so both are stable words. Anything that is not a `Refusal` is a
defect and is answered as INTERNAL_ERROR.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar


class Code(StrEnum):
    """The closed list of error codes (spec 1.1)."""

    VALIDATION_ERROR = "VALIDATION_ERROR"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    CONFLICT = "CONFLICT"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    STATE_CONFLICT = "STATE_CONFLICT"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    DEPENDENCY_ERROR = "DEPENDENCY_ERROR"


class Refusal(Exception):  # noqa: N818  a refusal is an answer, not a fault
    """One refused request.

    `reason` is a stable snake_case word, `message` a sentence for people, `details` facts for programs, and
    `retry_after` whole seconds after which the same request may be sent again (a refusal that carries it is never
    stored as the answer of an idempotency key, spec 1.5).
    """

    code: ClassVar[Code]
    default_message: ClassVar[str]

    def __init__(
        self,
        reason: str | None = None,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.reason = reason
        self.message = message or self.default_message
        self.details = dict(details) if details else None
        self.retry_after = retry_after
        super().__init__(f"{self.code}: {reason or self.message}")


class Invalid(Refusal):
    """The input breaks its declared shape; `details` maps each wrong field to a text (spec 1.2)."""

    code = Code.VALIDATION_ERROR
    default_message = "validation failed"

    @classmethod
    def field(cls, name: str, text: str = "is invalid") -> "Invalid":
        return cls(details={name: text})


class Unauthenticated(Refusal):
    """Nobody is known to be asking: token_missing, token_invalid, token_expired, session_revoked or bad_credentials."""

    code = Code.UNAUTHORIZED
    default_message = "authentication required"


class Forbidden(Refusal):
    """The caller's own role, verification or subscription does not allow it; never used for foreign rows (spec 1.1)."""

    code = Code.FORBIDDEN
    default_message = "access denied"


class NotFound(Refusal):
    """The row does not exist, or belongs to somebody else: both look the same."""

    code = Code.NOT_FOUND
    default_message = "resource not found"


class MethodNotAllowed(Refusal):
    code = Code.METHOD_NOT_ALLOWED
    default_message = "method not allowed"


class Conflict(Refusal):
    """A collision with data that is there: a duplicate, contention, a concurrent request."""

    code = Code.CONFLICT
    default_message = "conflict detected"

    @classmethod
    def duplicate(cls, field: str) -> "Conflict":
        return cls("duplicate", details={"field": field})


class KeyReused(Refusal):
    """The idempotency key was used with another body."""

    code = Code.IDEMPOTENCY_KEY_REUSED
    default_message = "idempotency key reused"


class TooLarge(Refusal):
    code = Code.PAYLOAD_TOO_LARGE
    default_message = "payload too large"


class StateConflict(Refusal):
    """The current state or a business gate does not allow the action."""

    code = Code.STATE_CONFLICT
    default_message = "state transition disallowed"

    @classmethod
    def transition(cls, state: str, action: str) -> "StateConflict":
        return cls("transition", details={"from": state, "action": action})

    @classmethod
    def quantity(cls, violations: Sequence[Mapping[str, Any]]) -> "StateConflict":
        return cls("quantity", details={"violations": [dict(violation) for violation in violations]})


class RateLimited(Refusal):
    code = Code.RATE_LIMIT_EXCEEDED
    default_message = "rate limit exceeded"


class Unavailable(Refusal):
    """A service or store this answer needs is away; asking again with the same key is safe."""

    code = Code.DEPENDENCY_ERROR
    default_message = "dependency unavailable"

    def __init__(self, service: str, *, reason: str = "dependency", retry_after: int = 2) -> None:
        super().__init__(reason, details={"service": service}, retry_after=retry_after)
