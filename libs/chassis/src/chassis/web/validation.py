"""Turns what pydantic found wrong into the texts of spec 1.2, and nothing else: no input, no type names, no URLs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from kernel.refusal import Invalid

REQUIRED: Final = "is required"
INVALID: Final = "is invalid"
PROBLEMS_MAX: Final = 50
NAME_MAX: Final = 100
_RANGE_TYPES: Final = frozenset(
    {"greater_than_equal", "greater_than", "less_than_equal", "less_than", "int_parsing_size"}
)
_LEAST: Final = {"greater_than_equal": "ge", "string_too_short": "min_length", "too_short": "min_length"}
_MOST: Final = {"less_than_equal": "le", "string_too_long": "max_length", "too_long": "max_length"}


def invalid_body(error: ValidationError) -> Invalid:
    """`details` maps each wrong field, in dotted form, to its text."""
    found = error.errors(include_url=False)[:PROBLEMS_MAX]
    return Invalid(details={_name(problem["loc"]): _text(problem) for problem in found})


def invalid_query(error: ValidationError, bounds: Mapping[str, Mapping[str, Any]]) -> Invalid:
    """As `invalid_body`, but a number outside its range is told as {field, min, max}."""
    for problem in error.errors(include_url=False):
        field = _name(problem["loc"])
        if problem["type"] in _RANGE_TYPES and field in bounds:
            return Invalid(details={"field": field, **bounds[field]})
    return invalid_body(error)


def bounds_of(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """The {min, max} of each numeric field of a query model, by the name clients use."""
    properties: Mapping[str, Any] = model.model_json_schema().get("properties", {})
    found: dict[str, dict[str, Any]] = {}
    for name, schema in properties.items():
        for variant in (schema, *schema.get("anyOf", ())):
            if variant.get("type") in {"integer", "number"}:
                found[name] = {"min": variant.get("minimum"), "max": variant.get("maximum")}
    return found


def _name(location: Sequence[int | str]) -> str:
    """The dotted path of a field; tags that pydantic adds for union members and function steps are no fields."""
    parts = [str(part) for part in location if isinstance(part, int) or part.replace("_", "").isalnum()]
    return ".".join(parts)[:NAME_MAX] or "body"


def _text(problem: Any) -> str:
    kind, context, given = problem["type"], problem.get("ctx", {}), problem.get("input")
    if kind == "missing" or (given is None and kind not in {"value_error", "assertion_error"}):
        return REQUIRED
    if kind == "email":
        return "must be a valid email"
    if kind == "string_too_short" and context.get("min_length") == 1:
        return REQUIRED
    if kind in _LEAST:
        return f"must be at least {_number(context[_LEAST[kind]])}"
    if kind in _MOST:
        return f"must be at most {_number(context[_MOST[kind]])}"
    return INVALID


def _number(value: Any) -> str:
    """A bound without a needless fraction."""
    return str(int(value)) if value == int(value) else str(value)
