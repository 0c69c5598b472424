"""Which routes take an Idempotency-Key, and for how long its answer is kept (spec 1.5)."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from kernel.refusal import Invalid

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
HEADER: Final = "Idempotency-Key"
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """`required` refuses a request without a key, `optional` honours one that is there, `none` ignores it."""

    kind: Literal["required", "optional", "none"]
    keep: timedelta = DAY

    def read(self, header: str | None) -> str | None:
        """The key that counts for this request, without one pair of quotes around it."""
        if self.kind == "none":
            return None
        if header is None:
            if self.kind == "required":
                raise Invalid.field(HEADER, "is required")
            return None
        key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
        if not _KEY.fullmatch(key):
            raise Invalid.field(HEADER)
        return key

    def described(self) -> dict[str, Any]:
        return {"policy": self.kind, "keep_hours": int(self.keep.total_seconds() // 3600)}


def required(*, keep: timedelta = DAY) -> KeyPolicy:
    return KeyPolicy("required", keep)


def optional(*, keep: timedelta = DAY) -> KeyPolicy:
    return KeyPolicy("optional", keep)


def no_key() -> KeyPolicy:
    return KeyPolicy("none")
