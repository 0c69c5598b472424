"""Contracts only grow (design 4): what a new version of a schema has lost against the committed one.

Lost is a thing that is gone, has another type, or is newly required. A breaking change is a new version beside the old
one.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]
BASE_VARIABLE = "CONTRACTS_BASE"
COMBINATIONS = ("anyOf", "oneOf", "allOf")


def losses(root: Path, documents: Mapping[Path, str]) -> list[str]:
    """Every loss of the documents against those of the last commit, or of the commit that `CONTRACTS_BASE` names.

    An empty `CONTRACTS_BASE` compares with nothing: for a contract that was wrong and that nobody relies on yet.
    """
    base = os.environ.get(BASE_VARIABLE, "HEAD")
    if not base:
        return []
    found: list[str] = []
    for path in _committed(root, base, documents):
        before = json.loads(_git(root, "show", f"{base}:{path}"))
        if path not in documents:
            found.append(f"{path}: is gone")
            continue
        found += [f"{path}: {loss}" for loss in compare(before, json.loads(documents[path]))]
    return found


def compare(before: Json, after: Json) -> list[str]:
    """Losses of one document, an OpenAPI document or a JSON schema."""
    if "openapi" in before:
        return [*_compare_operations(before, after), *_compare_schemas(_components(before), _components(after))]
    return [
        *_compare_schema("", before, after),
        *_compare_schemas(before.get("$defs", {}), after.get("$defs", {})),
    ]


def _compare_schemas(before: Json, after: Json) -> Iterator[str]:
    """A schema that nothing refers to any more is no loss: whoever referred to it is one."""
    for name, schema in before.items():
        if name in after:
            yield from _compare_schema(name, schema, after[name])


def _compare_schema(place: str, before: Json, after: Json) -> Iterator[str]:
    if kind(before) != kind(after):
        yield f"{place or 'it'} was {kind(before)} and is {kind(after)}"
        return
    gone = set(before.get("enum", ())) - set(after.get("enum", ()))
    if gone:
        yield f"{place} has lost the values {sorted(gone, key=str)}"
    for name, schema in before.get("properties", {}).items():
        inner = f"{place}.{name}" if place else name
        if name not in after.get("properties", {}):
            yield f"{inner} is gone"
        else:
            yield from _compare_schema(inner, schema, after["properties"][name])
    for name in sorted(set(after.get("required", ())) - set(before.get("required", ()))):
        yield f"{place + '.' if place else ''}{name} is newly required"
    if "items" in before:
        yield from _compare_schema(f"{place}[]", before["items"], after["items"])


def _compare_operations(before: Json, after: Json) -> Iterator[str]:
    for path, operations in before.get("paths", {}).items():
        for method, operation in operations.items():
            now = after.get("paths", {}).get(path, {}).get(method)
            place = f"{method.upper()} {path}"
            if now is None:
                yield f"{place} is gone"
                continue
            yield from _compare_parameters(place, operation, now)
            yield from _compare_bodies(place, operation, now)


def _compare_parameters(place: str, before: Json, after: Json) -> Iterator[str]:
    old = {(one["in"], one["name"]): one for one in before.get("parameters", ())}
    new = {(one["in"], one["name"]): one for one in after.get("parameters", ())}
    for key, parameter in old.items():
        if key not in new:
            yield f"{place}: parameter {key[1]} is gone"
        else:
            yield from _compare_schema(f"{place}: parameter {key[1]}", parameter["schema"], new[key]["schema"])
    for key, parameter in new.items():
        if parameter.get("required") and not old.get(key, {}).get("required"):
            yield f"{place}: parameter {key[1]} is newly required"


def _compare_bodies(place: str, before: Json, after: Json) -> Iterator[str]:
    old, new = _contents(before), _contents(after)
    for name, schema in old.items():
        if name not in new:
            yield f"{place}: {name} is gone"
        else:
            yield from _compare_schema(f"{place}: {name}", schema, new[name])
    if "request" in new and "request" not in old:
        yield f"{place}: a body is newly required"


def _contents(operation: Json) -> dict[str, Json]:
    """The schemas of an operation's request and of its answers, by what they are for."""
    found = {}
    if "requestBody" in operation:
        found["request"] = _schema_of(operation["requestBody"])
    for status, response in operation.get("responses", {}).items():
        found[f"answer {status}"] = _schema_of(response)
    return found


def _schema_of(part: Json) -> Json:
    if "$ref" in part:
        return part
    schema: Json = part.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def kind(schema: Json) -> str:
    """What a value is, in one word or a few: two kinds that differ are a change of type."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for combination in COMBINATIONS:
        if combination in schema:
            return " or ".join(sorted(kind(one) for one in schema[combination]))
    if "const" in schema:
        return f"the constant {schema['const']!r}"
    words = [str(schema.get("type", "anything"))]
    if "format" in schema:
        words.append(f"({schema['format']})")
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        words.append(f"of {kind(schema['additionalProperties'])}")
    return " ".join(words)


def _components(document: Json) -> Json:
    schemas: Json = document.get("components", {}).get("schemas", {})
    return schemas


def _committed(root: Path, base: str, documents: Mapping[Path, str]) -> list[Path]:
    """The documents' folders as they were; none in a work tree without a commit."""
    folders = sorted({str(path.parent) for path in documents})
    try:
        listed = _git(root, "ls-tree", "-r", "--name-only", base, "--", *folders)
    except subprocess.CalledProcessError:
        return []
    return [Path(line) for line in listed.splitlines() if line.endswith(".json")]


def _git(root: Path, *words: str) -> str:
    command = ["git", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout  # noqa: S603  our words
