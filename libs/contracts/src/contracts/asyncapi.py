"""Everything the house says, as one AsyncAPI document, generated from the manifests by `make generate`."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def asyncapi() -> Mapping[str, Any]:
    """AsyncAPI 3.0: a channel for each topic, an operation for each service that says or hears it."""
    document: Mapping[str, Any] = json.loads((files("contracts") / "asyncapi.json").read_text(encoding="utf-8"))
    return document
