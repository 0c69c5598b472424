"""A service out of the template is at home in the house without an edit; each test makes it in a copy of the tree."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from packhouse.new_service import EDITS, make_service
from packhouse.processes import StackError
from testkit.servers import TestServers

ROOT = Path(__file__).parents[3]
NAME = "reviews"
OF_THIS_SESSION = ("PYTEST_", "PACKHOUSE_")
FOLLOW = """
import json
from pathlib import Path
from gateway.domain.routes import SERVICES, RouteTable
from packhouse.environment import ALL_SERVICES
from packhouse.generate import generate
from packhouse.keys import ensure_keys, write_variables

generate(Path(), check=False)
stale, losses = generate(Path(), check=True)
ensure_keys(Path("keys"), ALL_SERVICES)
write_variables(Path("keys"), ALL_SERVICES, "postgresql://host/packhouse")
print(json.dumps({{
    "stale": [str(path) for path in stale],
    "losses": losses,
    "route": RouteTable(frozenset(SERVICES)).find("/api/v1/{name}/x").service,
    "is_in_the_app_role": "{name}_app" in Path("keys/{name}.env").read_text(),
}}))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What git would commit, in a repository of its own, with the environment of the real one."""
    tree = tmp_path / "house"
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    git(tree, "init", "--quiet")
    (tree / ".venv").symlink_to(Path(sys.prefix))
    return tree


def git(folder: Path, *words: str) -> str:
    command = ["git", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout  # noqa: S603  our words


def run(tree: Path, *words: str, **variables: str) -> str:
    """A tool in the copy, whose sources go before those that are installed. Fails the test with what it said."""
    sources = [str(path) for part in ("libs", "services") for path in sorted((tree / part).glob("*/src"))]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OF_THIS_SESSION)}
    environment = {**inherited, "PYTHONPATH": os.pathsep.join(sources), "CONTRACTS_BASE": "", **variables}
    done = subprocess.run(  # noqa: S603  our words
        words, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout[-8000:]}{done.stderr[-4000:]}"
    return done.stdout


def tool(name: str) -> str:
    return str(Path(sys.prefix) / "bin" / name)


def contents(tree: Path) -> Mapping[Path, bytes]:
    return {path: path.read_bytes() for path in tree.rglob("*") if path.is_file() and ".git" not in path.parts}


def services_of(servers: TestServers) -> dict[str, str]:
    return {
        "PACKHOUSE_POSTGRES_URL": servers.postgres_url,
        "PACKHOUSE_REDIS_URL": servers.redis_url,
        "PACKHOUSE_RABBITMQ_URL": servers.rabbitmq_url,
    }


@pytest.mark.timeout(300)
def test_a_new_service_passes_conformance_and_its_tests_without_an_edit(tree: Path, servers: TestServers) -> None:
    make_service(tree, NAME)

    told = run(tree, tool("pytest"), "-q", "-p", "no:cacheprovider", f"services/{NAME}", **services_of(servers))

    passed = re.search(r"(\d+) passed", told)
    assert passed is not None
    assert int(passed[1]) > 20, told


@pytest.mark.timeout(300)
def test_a_new_service_is_in_every_map_and_its_generated_files_follow(tree: Path) -> None:
    make_service(tree, NAME)

    known = json.loads(run(tree, sys.executable, "-c", FOLLOW.format(name=NAME)))

    assert known == {"stale": [], "losses": [], "route": NAME, "is_in_the_app_role": True}
    compose: dict[str, Any] = yaml.safe_load((tree / "docker-compose.yml").read_text())
    assert {NAME, f"{NAME}-worker", f"migrate-{NAME}"} <= compose["services"].keys()
    assert compose["services"][NAME]["build"]["args"] == {"SERVICE": NAME}
    assert f"`{NAME}.entry_added.v1`" in (tree / "docs" / "events.md").read_text()
    assert f"`/api/v1/{NAME}`" in (tree / "docs" / "routes.md").read_text()


@pytest.mark.timeout(300)
def test_a_second_new_service_fits_too(tree: Path) -> None:
    make_service(tree, NAME)
    make_service(tree, "wishes")

    for words in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["lint-imports", "--no-cache"]):
        run(tree, tool(words[0]), *words[1:])


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_whole_check_is_green_with_a_new_service(tree: Path) -> None:
    make_service(tree, NAME)
    run(tree, tool("packhouse"), "generate")

    told = run(tree, "make", "--assume-old=ready", "check")

    assert "passed" in told


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Reviews", "small letters"),
        ("re-views", "small letters"),
        ("ab", "small letters"),
        ("lambda", "a word of"),
        ("table", "a word of"),
        ("orders", "already"),
        ("json", "already"),
        ("cart", "/api/v1/cart belongs to another service"),
    ],
)
def test_a_name_that_is_taken_or_is_none_is_refused(tree: Path, name: str, why: str) -> None:
    before = contents(tree)

    with pytest.raises(StackError, match=why):
        make_service(tree, name)

    assert contents(tree) == before


@pytest.mark.parametrize("path", sorted({edit.path for edit in EDITS}))
def test_a_tree_that_the_template_does_not_fit_is_left_as_it_is(tree: Path, path: str) -> None:
    (tree / path).write_text("something else\n")
    before = contents(tree)

    with pytest.raises(StackError, match=re.escape(path)):
        make_service(tree, NAME)

    assert contents(tree) == before
