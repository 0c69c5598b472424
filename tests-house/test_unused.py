"""Nothing is kept that nobody calls. Fields and enum members are read by name at run time, so they do not count."""

from tree import ROOT
from vulture import Vulture

KINDS = {"function", "method", "class", "import", "property"}
CALLED_BY_FRAMEWORKS = [
    "pytest_*",
    "downgrade",  # alembic
    "capture_signals",  # uvicorn
    "handle_DATA",  # aiosmtpd
    "do_POST",  # http.server
    "log_message",  # http.server
    "data_received",  # asyncio
    "on_response_complete",  # uvicorn
    "key_for",  # limits
    "_current_window_key",  # limits
]
DOORS = ["@*.get", "@*.post", "@*.put", "@*.patch", "@*.delete"]
DECORATORS = [*DOORS, "@app.*", "@line.*", "@keys.*", "@pytest.*", "@*validator*", "@*.listens_for"]
TABLES = ["tables.py", "migrations/*", "migrations/*/*"]
"""Table classes are registered by being there; migrations are history."""


def test_everything_is_used_by_somebody() -> None:
    reader = Vulture(ignore_names=CALLED_BY_FRAMEWORKS, ignore_decorators=DECORATORS)
    folders = [ROOT / name for name in ("libs", "services", "tests-e2e", "tests-house", "bench")]
    reader.scavenge([str(folder) for folder in folders if folder.exists()])
    unused = [one for one in reader.get_unused_code(min_confidence=60) if one.typ in KINDS]
    unused = [one for one in unused if not any(one.filename.match(kept) for kept in TABLES)]
    shipped = [one for one in unused if "tests" not in one.filename.relative_to(ROOT).parts]
    assert not [f"{one.filename.relative_to(ROOT)}:{one.first_lineno} {one.name}" for one in shipped]
