"""What may be said about a product (spec 4.1)."""

from collections.abc import Collection
from enum import StrEnum

import nh3

from kernel.refusal import Invalid


class Category(StrEnum):
    FLOWER = "flower"
    CART = "cart"
    PRE_ROLL = "pre_roll"
    EDIBLE = "edible"
    CONCENTRATE = "concentrate"
    BEVERAGE = "beverage"
    VAPE = "vape"
    TOPICAL = "topical"
    TINCTURE = "tincture"
    SEED = "seed"
    SEEDLING = "seedling"
    ACCESSORY = "accessory"


class Classification(StrEnum):
    SATIVA = "sativa"
    HYBRID = "hybrid"
    INDICA = "indica"
    CBD = "cbd"
    HEMP = "hemp"
    BALANCED = "balanced"


class Unit(StrEnum):
    """What one of it is. Goods sold by weight are stocked in grams; clients convert."""

    UNIT = "unit"
    GRAM = "gram"
    OUNCE = "ounce"
    POUND = "pound"
    EIGHTH = "eighth"
    SIXTEENTH = "sixteenth"


class Flavor(StrEnum):
    EARTHY = "earthy"
    CITRUS = "citrus"
    FRUITY = "fruity"
    FLORAL = "floral"
    CHEESE = "cheese"
    DIESEL = "diesel"
    SPICY = "spicy"
    SWEET = "sweet"
    PINE = "pine"
    HERBAL = "herbal"


class Feeling(StrEnum):
    RELAXED = "relaxed"
    HAPPY = "happy"
    EUPHORIC = "euphoric"
    FOCUSED = "focused"
    HUNGRY = "hungry"
    TALKATIVE = "talkative"
    CREATIVE = "creative"
    SLEEPY = "sleepy"
    UPLIFTED = "uplifted"
    CALM = "calm"


class Usage(StrEnum):
    STRESS_RELIEF = "stress_relief"
    PAIN_RELIEF = "pain_relief"
    SLEEP = "sleep"
    DEPRESSION = "depression"
    MUSCLE_RELAXANT = "muscle_relaxant"
    NAUSEA = "nausea"
    ANXIETY = "anxiety"
    APPETITE_STIMULATION = "appetite_stimulation"


ALLOWED_TAGS = {
    "a", "b", "blockquote", "br", "em", "h2", "h3", "h4", "hr", "i",
    "li", "ol", "p", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
ALLOWED_ATTRIBUTES = {"a": {"href", "title"}}


def sanitised(html: str) -> str:
    """The markup without anything that could run, load or submit; text is kept. Links open no door back to the page."""
    return nh3.clean(
        html,
        tags=ALLOWED_TAGS,
        attributes=ALLOWED_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def require_max_qty_fits_moq(moq: int, max_qty: int) -> None:
    """A cap of 0 means none; any other may not lie below the minimum order quantity."""
    if 0 < max_qty < moq:
        raise Invalid.field("max_qty", f"must be 0 or at least {moq}")


def require_distinct(field: str, values: Collection[object]) -> None:
    if len(set(values)) != len(values):
        raise Invalid.field(field, "is invalid: named twice")
