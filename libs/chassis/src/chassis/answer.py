"""What a door answers: the envelope of spec 1.1, rendered once, as bytes that can be sent and stored alike."""

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from pydantic_core import to_json

from kernel.page import Page
from kernel.refusal import Code, Refusal

JSON: Final = "application/json"
STATUS: Final[Mapping[Code, int]] = {
    Code.VALIDATION_ERROR: 400,
    Code.UNAUTHORIZED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.CONFLICT: 409,
    Code.IDEMPOTENCY_KEY_REUSED: 409,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.STATE_CONFLICT: 422,
    Code.RATE_LIMIT_EXCEEDED: 429,
    Code.INTERNAL_ERROR: 500,
    Code.NOT_IMPLEMENTED: 501,
    Code.DEPENDENCY_ERROR: 503,
}
_DETAILED: Final = frozenset(
    {
        Code.VALIDATION_ERROR,
        Code.CONFLICT,
        Code.IDEMPOTENCY_KEY_REUSED,
        Code.STATE_CONFLICT,
        Code.DEPENDENCY_ERROR,
    }
)
INTERNAL_MESSAGE: Final = "internal server error"

Row = TypeVar("Row")
Data = BaseModel | Mapping[str, Any] | Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `status` None means the one the door declares; `kept` is stored for replays instead of `body`."""

    body: bytes
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str | None = JSON
    kept: bytes | None = None


def reply(
    data: Data,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    unstored: AbstractSet[str] = frozenset(),
) -> Answer:
    """`{"data": ...}`. Fields named in `unstored` are sent, but not kept for replays."""
    return Answer(
        body=_enveloped(_rendered(data)),
        status=status,
        headers=tuple((headers or {}).items()),
        kept=_enveloped(_rendered(data, unstored)) if unstored else None,
    )


def reply_json(text: str, *, status: int | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """`{"data": <text>}` around a JSON text that PostgreSQL has built."""
    return Answer(body=_enveloped(text.encode()), status=status, headers=tuple((headers or {}).items()))


def reply_page(name: str, page: Page[Row], render: Callable[[Row], Data] | None = None) -> Answer:
    """A page of a list (spec 1.4): `{<name>: [...], "pagination": {"next", "total"?}}`."""
    rows: Sequence[Any] = page.rows if render is None else [render(row) for row in page.rows]
    return _page(name, page, to_json(rows))


def reply_json_page(name: str, page: Page[str]) -> Answer:
    """As `reply_page`, of rows that are JSON texts already."""
    return _page(name, page, f"[{','.join(page.rows)}]".encode())


def no_content(*, headers: Mapping[str, str] | None = None) -> Answer:
    """204, without a body."""
    return Answer(body=b"", status=204, headers=tuple((headers or {}).items()), content_type=None)


def refused(refusal: Refusal, request_id: str) -> Answer:
    """The error envelope. Details appear only where the code allows them, and fixed messages stay fixed."""
    code = refusal.code
    error: dict[str, Any] = {"code": code.value}
    if refusal.reason:
        error["reason"] = refusal.reason
    error["message"] = refusal.default_message if code is Code.DEPENDENCY_ERROR else refusal.message
    if refusal.details and code in _DETAILED:
        error["details"] = refusal.details
    error["request_id"] = request_id
    headers = () if refusal.retry_after is None else (("retry-after", str(refusal.retry_after)),)
    return Answer(body=to_json({"error": error}), status=STATUS[code], headers=headers)


def internal_error(request_id: str) -> Answer:
    """The answer to a defect: a fixed message, nothing of its cause."""
    error = {"code": Code.INTERNAL_ERROR.value, "message": INTERNAL_MESSAGE, "request_id": request_id}
    return Answer(body=to_json({"error": error}), status=500)


def _page(name: str, page: Page[Any], rows: bytes) -> Answer:
    pagination: dict[str, Any] = {"next": page.next}
    if page.total is not None:
        pagination["total"] = page.total
    return Answer(body=b'{"data":{%b:%b,"pagination":%b}}' % (json.dumps(name).encode(), rows, to_json(pagination)))


def _rendered(data: Data, left_out: AbstractSet[str] = frozenset()) -> bytes:
    if left_out and isinstance(data, BaseModel):
        return to_json(data.model_dump(mode="json", exclude=set(left_out)))
    if left_out and isinstance(data, Mapping):
        return to_json({key: value for key, value in data.items() if key not in left_out})
    return to_json(data)


def _enveloped(rendered: bytes) -> bytes:
    return b'{"data":%b}' % rendered
