"""How the arguments of an endpoint are read from a request: worked out once at import, then only applied.

An endpoint takes `call: Caller`, path parameters, at most one query model and at most one body model. Anything else is
a TypeError at import, so that a request is never half understood.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl
from uuid import UUID

import fastapi
from pydantic import BaseModel, TypeAdapter, ValidationError

from chassis.web.call import Call
from chassis.web.fields import NoBody, Query
from chassis.web.strict_json import checked, malformed
from chassis.web.validation import bounds_of, invalid_body, invalid_query
from kernel.refusal import Invalid

UUID_LENGTH: Final = 36
Reader = Callable[[str, str], Any]


class Plan:
    """Reads path, query and body of one endpoint, in this order; each raises `Invalid`."""

    def __init__(self, endpoint: Callable[..., Any], *, path: str, has_body: bool, lenient: bool) -> None:
        self.endpoint = endpoint
        self.has_body = has_body
        self.lenient = lenient
        self.call_name: str | None = None
        self.path_readers: dict[str, Reader] = {}
        self.query: tuple[str, QueryReader] | None = None
        self.body: tuple[str, type[BaseModel]] | None = None
        for name, hint in _hints(endpoint).items():
            self._place(name, hint, in_path=f"{{{name}}}" in path)

    def _place(self, name: str, hint: Any, *, in_path: bool) -> None:
        kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if kind is Call:
            self.call_name = name
        elif in_path:
            self.path_readers[name] = _read_uuid if kind is UUID else _reader(hint)
        elif inspect.isclass(kind) and issubclass(kind, Query) and self.query is None:
            self.query = (name, QueryReader(kind))
        elif inspect.isclass(kind) and issubclass(kind, BaseModel) and self.body is None and self.has_body:
            self.body = (name, _closed(kind))
        else:
            raise TypeError(f"{self.endpoint.__qualname__}: parameter {name} is no part of a request: {hint}")

    def signature(self) -> inspect.Signature:
        """The endpoint's signature as FastAPI has to see it to document it: query models marked as such."""
        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=_documented(hint))
            for name, hint in _hints(self.endpoint).items()
        ]
        return inspect.Signature(parameters)

    def arguments(self, call: Call, path: Mapping[str, str], query: bytes, raw: bytes) -> dict[str, Any]:
        arguments: dict[str, Any] = {} if self.call_name is None else {self.call_name: call}
        for name, read in self.path_readers.items():
            arguments[name] = read(name, path[name])
        if self.query is not None:
            name, reader = self.query
            arguments[name] = reader.read(query)
        if self.has_body:
            self._read_body(arguments, raw)
        return arguments

    def _read_body(self, arguments: dict[str, Any], raw: bytes) -> None:
        if self.body is None:
            if raw.strip():
                read_body(NoBody, raw, lenient=self.lenient)
            return
        name, model = self.body
        optional = not any(field.is_required() for field in model.model_fields.values())
        arguments[name] = model() if optional and not raw.strip() else read_body(model, raw, lenient=self.lenient)


class QueryReader:
    """Reads a query string into a model; the last value of a repeated parameter counts, unless the field is a list."""

    def __init__(self, model: type[Query]) -> None:
        self.model = model
        self.bounds = bounds_of(model)
        self.lists = {field.alias or name for name, field in model.model_fields.items() if _is_list(field.annotation)}

    def read(self, query: bytes) -> Query:
        values: dict[str, Any] = {}
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
            if "\x00" in value:
                raise Invalid.field(name if name in self.model.model_fields else "query")
            if name in self.lists:
                values.setdefault(name, []).append(value)
            else:
                values[name] = value
        try:
            return self.model.model_validate(values)
        except ValidationError as error:
            raise invalid_query(error, self.bounds) from None


def read_body(model: type[BaseModel], raw: bytes, *, lenient: bool) -> BaseModel:
    """A body as its model. The text is read strictly first; then the model reads it without converting anything.

    `lenient` ignores fields that are not known yet: internal routes are called by services that deploy on their own.
    """
    value = checked(raw)
    if not isinstance(value, dict):
        raise malformed("a JSON object is expected")
    try:
        return model.model_validate_json(raw, strict=True, extra="ignore" if lenient else None)
    except ValidationError as error:
        raise invalid_body(error) from None


def _hints(endpoint: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(endpoint, include_extras=True)
    return {name: hints.get(name, inspect.Parameter.empty) for name in inspect.signature(endpoint).parameters}


def _documented(hint: Any) -> Any:
    marks_query = inspect.isclass(hint) and issubclass(hint, Query)
    return Annotated[hint, fastapi.Query()] if marks_query else hint


def _closed(model: type[BaseModel]) -> type[BaseModel]:
    if model.model_config.get("extra") != "forbid":
        raise TypeError(f"{model.__name__} would swallow unknown fields; derive it from Body")
    return model


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) in {list, set, tuple, frozenset}:
        return True
    return any(_is_list(inner) for inner in get_args(annotation))


def _read_uuid(name: str, text: str) -> UUID:
    """Only the usual form with dashes: one row has one path, and so one idempotency scope."""
    try:
        value = UUID(text)
    except ValueError:
        raise Invalid.field(name) from None
    if len(text) != UUID_LENGTH:
        raise Invalid.field(name)
    return value


def _reader(hint: Any) -> Reader:
    adapter: TypeAdapter[Any] = TypeAdapter(hint)

    def read(name: str, text: str) -> Any:
        if "\x00" in text:
            raise Invalid.field(name)
        try:
            return adapter.validate_python(text)
        except ValidationError:
            raise Invalid.field(name) from None

    return read
