"""A new service out of the template: its own files, and its place in every list that the house keeps by hand.

Where a list has lines for each service, the new one gets those of its sibling with its own name in them.
"""

from __future__ import annotations

import json
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from packhouse.processes import StackError

TEMPLATE = Path("template")
STAND_IN = "newservice"
SIBLING = "orders"
NAME = re.compile(r"[a-z]{3,30}")


@dataclass(frozen=True, slots=True)
class Edit:
    """Where `found` matches a file, `added` follows the match; without `added`, the match itself under the new name."""

    path: str
    found: str
    added: str | None = None

    def applied(self, text: str, name: str) -> str:
        """Raises StackError when the file no longer has such a place."""

        def extended(match: re.Match[str]) -> str:
            return match[0] + (
                _renamed(match[0], SIBLING, name) if self.added is None else self.added.format(name=name)
            )

        made, times = re.subn(self.found, extended, text, flags=re.MULTILINE)
        if not times:
            raise StackError(f"{self.path} has no place for a service that looks like {self.found!r}")
        return made


ROUTES = """\
    "POST /api/v1/{name}": members(OMP),
    "GET /api/v1/{name}": members(MEMBER),
    "GET /api/v1/{name}/{{{name}_id}}": members(MEMBER),
    "{name} GET /internal/v1/events": asked_by("{name}"),
    "{name} GET /internal/v1/events/counters": asked_by("{name}"),
"""
NEIGHBOURS = """\
    for number in range(2):
        entry = (await vendor.post("/api/v1/{name}", {{"title": f"{{world.canary}} {{number}}"}})).expect(201)
        world.ids["{name}_id"] = entry["id"]
"""
CONTAINER_LINES = r"(?:(?:    .*)?\n)*"

EDITS = (
    Edit(".importlinter", r"^    orders(?:\.\w+)?\n"),
    Edit(".importlinter", r"^    gateway \|.*\borders\b", " | {name}"),
    Edit("README.md", r"\[orders\]\(services/orders/README\.md\)", ", [{name}](services/{name}/README.md)"),
    Edit("docker-compose.yml", r"^    PACKHOUSE_ORDERS_URL: .*\n"),
    Edit("docker-compose.yml", rf"^  migrate-orders:\n(?:.*\n)*?  orders-worker:\n{CONTAINER_LINES}"),
    Edit("docker-compose.yml", r"^      orders: \{ condition: service_healthy \}\n"),
    Edit("deploy/observability/prometheus.yml", r"(?:^          - orders(?:-worker)?:8000\n)+"),
    Edit("docs/deploy.md", r"^\| orders \|.*\n"),
    Edit("libs/cli/src/packhouse/environment.py", r"(?=^    EDGE,\n)", '    "{name}",\n'),
    Edit("libs/cli/src/packhouse/generate/catalogue.py", r"(?=^\}\n\Z)", '    "{name}.entry_added.v1": (),\n'),
    Edit("services/gateway/src/gateway/domain/routes.py", r"(?=^\}\n\nSERVICES)", '    "{name}": ("{name}",),\n'),
    Edit("services/gateway/src/gateway/settings.py", r"^    orders_url: .*\n"),
    Edit("tests-e2e/test_roles.py", r"(?=^\}\nPUBLIC = )", ROUTES),
    Edit("tests-e2e/bodies.py", r"(?=^    \}\n\Z)", '        "POST /api/v1/{name}": {{"title": f"Body {{fresh}}"}},\n'),
    Edit("tests-e2e/neighbours.py", r"^    await _collect\(world, goods\[0\], groups\[0\]\)\n", NEIGHBOURS),
    Edit(
        "tests-e2e/neighbours.py",
        r"(?=^        \"GET /api/v1/orders\": \(world)",
        '        "GET /api/v1/{name}": (world.vendor, "/api/v1/{name}"),\n',
    ),
)


def make_service(root: Path, name: str) -> list[Path]:
    """Write the service into the work tree and answer what was written. Raises StackError, before anything is
    written, for a name that cannot be one and for a tree that the template does not fit.
    """
    require_name(root, name)
    files = dict(_own_files(root, name)) | _edited(root, name)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    _tidy(root, name)
    return sorted(files)


def require_name(root: Path, name: str) -> None:
    """A service's name becomes a Python package, a schema, a host and a path: it must be free in all four places."""
    if not NAME.fullmatch(name):
        raise StackError(f"{name!r}: a service's name is 3 to 30 small letters")
    if keyword.iskeyword(name) or name in RESERVED_WORDS:
        raise StackError(f"{name!r} is a word of Python's or PostgreSQL's")
    if (root / "services" / name).exists() or find_spec(name) is not None:
        raise StackError(f"there is a package called {name} already")
    taken = [path for path in _paths(root) if path.split("/")[3] == name]
    if taken:
        raise StackError(f"{taken[0]} belongs to another service")


def _paths(root: Path) -> Iterator[str]:
    """Every public path that a service has."""
    for document in (root / "docs" / "contracts" / "openapi").glob("*.json"):
        paths: Mapping[str, object] = json.loads(document.read_text(encoding="utf-8"))["paths"]
        yield from (path for path in paths if path.startswith("/api/v1/"))


def _own_files(root: Path, name: str) -> Iterator[tuple[Path, str]]:
    service = root / TEMPLATE / "service"
    for source in sorted(path for path in service.rglob("*") if path.suffix in {".md", ".py", ".toml"}):
        place = _renamed(str(source.relative_to(service)), STAND_IN, name)
        yield Path("services", name, place), _renamed(source.read_text(encoding="utf-8"), STAND_IN, name)
    contract = (root / TEMPLATE / "contracts.py").read_text(encoding="utf-8")
    yield Path("libs/contracts/src/contracts", f"{name}.py"), _renamed(contract, STAND_IN, name)


def _edited(root: Path, name: str) -> dict[Path, str]:
    """The shared files with the service in them; a service of the plan (spec 0) has its keys already."""
    made: dict[Path, str] = {}
    for edit in EDITS:
        path = Path(edit.path)
        text = made.get(path) or (root / path).read_text(encoding="utf-8")
        is_planned = path.name == "environment.py" and f'    "{name}",\n' in text
        made[path] = text if is_planned else edit.applied(text, name)
    return made


def _renamed(text: str, old: str, new: str) -> str:
    return text.replace(old, new).replace(old.upper(), new.upper())


def _tidy(root: Path, name: str) -> None:
    """Imports are sorted by name, and the name is new."""
    made = [f"services/{name}", f"libs/contracts/src/contracts/{name}.py"]
    for words in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *words, *made]
        subprocess.run(command, cwd=root, check=True)  # noqa: S603  our own words
