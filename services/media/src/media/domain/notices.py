"""What the store tells of its objects: Google's notifications, checked before anything believes them (spec 3.3)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from media.domain.media import ObjectKey

FORMAT: Final = "JSON_API_V1"
BODY_MAX: Final = 65_536


class Happened(StrEnum):
    FINALIZED = "OBJECT_FINALIZE"
    DELETED = "OBJECT_DELETE"


class Malformed(Exception):  # noqa: N818  it names what came, and is nobody's fault here
    """A message that no store of ours would send."""


@dataclass(frozen=True, slots=True)
class Notice:
    """That something happened to the object of this key. What lies there is to be asked of the store itself."""

    happened: Happened
    bucket: str
    key: ObjectKey


def read_notice(attributes: Mapping[str, str], data: bytes) -> Notice | None:
    """None for what happens to objects and is nothing to us, such as changed metadata. Raises `Malformed`."""
    happened = attributes.get("eventType", "")
    if not happened.startswith("OBJECT_"):
        raise Malformed("eventType")
    if happened not in set(Happened):
        return None
    if attributes.get("payloadFormat") != FORMAT:
        raise Malformed("payloadFormat")
    body = _body(data)
    bucket, name = body.get("bucket"), body.get("name")
    if not isinstance(bucket, str) or bucket != attributes.get("bucketId", bucket):
        raise Malformed("bucket")
    key = ObjectKey.parse(name) if isinstance(name, str) else None
    if key is None or name != attributes.get("objectId", name):
        raise Malformed("name")
    _require_facts(body)
    return Notice(Happened(happened), bucket, key)


def _body(data: bytes) -> Mapping[str, Any]:
    if len(data) > BODY_MAX:
        raise Malformed("length")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("json") from error
    if not isinstance(body, dict):
        raise Malformed("json")
    return body


def _require_facts(body: Mapping[str, Any]) -> None:
    """`size` is a number in a string; both facts are checked for shape and then asked of the store."""
    size = body.get("size")
    if not isinstance(size, str | int) or not str(size).isdecimal() or len(str(size)) > 15:  # noqa: PLR2004  a petabyte
        raise Malformed("size")
    if not isinstance(body.get("contentType"), str):
        raise Malformed("contentType")
