"""The pages for those who build against the house: what may be asked, `/docs`, and what is said, `/docs/events`.

All they need comes from this package, and their policies let a browser fetch nothing from anywhere else.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from chassis.answer import Answer
from contracts.asyncapi import asyncapi
from gateway.domain.event_page import event_page

REFERENCE_PAGE: Final = "/docs"
EVENTS_PAGE: Final = "/docs/events"
EVENTS_DOCUMENT: Final = "/docs/events.json"

_ASSETS: Final = {"docs.css": "text/css", "reference.js": "text/javascript", "scalar.js": "text/javascript"}
_COMPRESSED: Final = {"scalar.js"}
_HTML: Final = "text/html; charset=utf-8"
_CLOSED: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# Scalar writes its styles into the page, and asks our routes when a reader tries one.
_REFERENCE_POLICY: Final = (
    f"{_CLOSED}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:;"
    " connect-src 'self'"
)
_EVENTS_POLICY: Final = f"{_CLOSED}; style-src 'self'; img-src data:"
_HOUR: Final = "public, max-age=3600"
_FOR_GOOD: Final = "public, max-age=31536000, immutable"

_templates = Environment(
    loader=PackageLoader("gateway"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def pages() -> Mapping[str, Answer]:
    """What stands at each path. An asset's path changes with its content, so that it can be kept for good."""
    contents = {name: _content(name) for name in _ASSETS}
    paths = {name: f"/docs/assets/{hashlib.sha256(kept).hexdigest()[:12]}/{name}" for name, kept in contents.items()}
    events = event_page(asyncapi())
    return {
        REFERENCE_PAGE: _page("reference.html", _REFERENCE_POLICY, title="API", assets=paths),
        EVENTS_PAGE: _page("events.html", _EVENTS_POLICY, title="Events", assets=paths, page=events),
        EVENTS_DOCUMENT: Answer(json.dumps(asyncapi()).encode(), headers=(("Cache-Control", _HOUR),)),
        **{path: _asset(name, contents[name]) for name, path in paths.items()},
    }


def _page(template: str, policy: str, **facts: object) -> Answer:
    text = _templates.get_template(template).render(facts)
    headers = (("Cache-Control", "no-cache"), ("Content-Security-Policy", policy))
    return Answer(text.encode(), headers=headers, content_type=_HTML)


def _asset(name: str, content: bytes) -> Answer:
    """The file as it is stored: browsers unpack what is compressed."""
    packed = (("Content-Encoding", "gzip"),) if name in _COMPRESSED else ()
    return Answer(content, headers=(("Cache-Control", _FOR_GOOD), *packed), content_type=_ASSETS[name])


def _content(name: str) -> bytes:
    stored = f"static/{name}.gz" if name in _COMPRESSED else f"static/{name}"
    return files("gateway").joinpath(stored).read_bytes()
