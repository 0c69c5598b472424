"""Annotated types and base models of requests, with the shapes of spec 1.2; their texts are in `validation`."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kernel.money import CENTS_MAX
from kernel.page import LIMIT_DEFAULT, LIMIT_MAX
from kernel.refusal import Invalid
from kernel.text import cleaned

TEXT_MAX: Final = 4000
NAME_MAX: Final = 120
EMAIL_MAX: Final = 254
QUANTITY_MAX: Final = 2_147_483_647
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


def _clean(value: Any) -> Any:
    """Normalising is quadratic on long runs of combining marks, so what no field could hold is left to be refused."""
    return cleaned(value) if isinstance(value, str) and len(value) <= TEXT_MAX else value


def _email(value: str) -> str:
    address = value.lower()
    if not _EMAIL.fullmatch(address):
        raise PydanticCustomError("email", "must be a valid email")
    return address


def _upper(value: str) -> str:
    return value.upper()


CLEAN: Final = BeforeValidator(_clean)
"""For texts with limits of their own: `Annotated[str, Field(max_length=60), CLEAN]`."""

Text = Annotated[str, Field(max_length=TEXT_MAX), CLEAN]
Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX), CLEAN]
Email = Annotated[
    str, Field(max_length=EMAIL_MAX, json_schema_extra={"format": "email"}), AfterValidator(_email), CLEAN
]
Cents = Annotated[int, Field(strict=True, ge=0, le=CENTS_MAX)]
Quantity = Annotated[int, Field(strict=True, ge=0, le=QUANTITY_MAX)]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=7, decimal_places=4)]
State = Annotated[str, Field(pattern=r"^[A-Za-z]{2}$"), AfterValidator(_upper), CLEAN]
PostalCode = Annotated[str, Field(pattern=r"^\d{5}(-\d{4})?$"), CLEAN]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Body(BaseModel):
    """A JSON body. Fields it does not name are refused, and values are not converted from other JSON types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoBody(Body):
    """What routes without a body take: nothing, or an empty object."""


class Query(BaseModel):
    """Query parameters. Unknown ones are ignored; numbers outside their range are refused with {field, min, max}."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PageQuery(Query):
    """The parameters of every list (spec 1.4)."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    cursor: Annotated[str, Field(max_length=1024)] | None = None
    with_total: bool = False


class PostalAddress(Body):
    """An address as a client sends it (spec 1.2)."""

    line1: Annotated[str, Field(min_length=1, max_length=200), CLEAN]
    line2: Annotated[str, Field(max_length=200), CLEAN] | None = None
    city: Name
    state: State
    postal_code: PostalCode
    country: Annotated[str, Field(pattern=r"^[A-Za-z]{2}$"), AfterValidator(_upper), CLEAN] = "US"
    lat: Latitude | None = None
    lng: Longitude | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> "PostalAddress":
        if (self.lat is None) != (self.lng is None):
            raise Invalid.field("lat" if self.lat is None else "lng", "is required")
        return self
