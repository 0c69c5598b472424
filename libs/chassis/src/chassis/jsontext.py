"""JSON texts of the values that domain and read models hold."""

import json
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel


def encode_json(value: object) -> str:
    """The text stored in a json or jsonb column; knows UUID, Decimal (as a number text), datetime, date and models."""
    return _encode(value)


def _plain(value: object) -> object:
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


_encode = json.JSONEncoder(default=_plain, separators=(",", ":"), ensure_ascii=False).encode
