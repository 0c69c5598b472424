"""The rules of the house that no off-the-shelf linter knows (design 9). Each lists its offenders."""

import ast
import re

import pytest
from network import calls_in_transactions, takes_both
from tree import Function, files, functions, python_files, syntax, text

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
SHAPELESS_NAMES = {"service.py", "utils.py", "helpers.py", "common.py"}
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X])\b")
# Bracketed letters, so that this file does not break its own rule.
MACHINE = re.compile(
    r"/wor[k]/|/roo[t]/|/tmp/boo[t]|pythonhoste[d]\.org|pypi\.or[g]|deb\.debia[n]\.org|npmj[s]\.(org|com)"
)


def test_commit_stands_in_one_file() -> None:
    found = {str(path) for path in python_files(product=True) if ".commit(" in text(path)}
    assert found == {"libs/chassis/src/chassis/db/database.py"}


def test_no_function_is_longer_than_60_lines() -> None:
    assert not [
        f"{path}:{function.lineno} {function.name}"
        for path in python_files()
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= FUNCTION_LINES_MAX
    ]


def test_no_file_is_longer_than_400_lines() -> None:
    assert not [str(path) for path in python_files() if text(path).count("\n") > FILE_LINES_MAX]


def test_nothing_is_left_to_do_later() -> None:
    assert not [str(path) for path in files() if path.name != "pyproject.toml" and UNFINISHED.search(text(path))]


def test_no_file_names_this_machine_or_a_registry() -> None:
    assert not [str(path) for path in files() if MACHINE.search(text(path))]


def test_no_file_has_a_name_without_a_meaning() -> None:
    assert not [str(path) for path in files() if path.name in SHAPELESS_NAMES]


def test_tokens_are_made_and_read_in_one_package() -> None:
    found = [path for path in python_files(product=True) if "jwt" in _imports(syntax(path))]
    assert found
    assert all(str(path).startswith("libs/chassis/src/chassis/auth/") for path in found)


def test_no_network_call_inside_a_transaction() -> None:
    assert not [
        f"{path}:{line}"
        for path in python_files(product=True)
        for function in functions(path)
        for line in calls_in_transactions(function)
    ]


def test_a_function_takes_a_transaction_or_a_client_but_never_both() -> None:
    assert not [
        f"{path}:{function.lineno} {function.name}"
        for path in python_files(product=True)
        for function in functions(path)
        if takes_both(function)
    ]


@pytest.mark.parametrize(
    "body",
    [
        "async with call.transaction() as tx:\n  await call.client(CatalogClient).reserve(tx)",
        "catalog = call.client(CatalogClient)\n async with db.transaction() as tx:\n  await catalog.reserve()",
        "async with call.step() as tx:\n  answer = await client.read('/x')",
        "async with call.step() as tx:\n  await use(tx, call.client(CatalogClient))",
    ],
)
def test_the_network_rule_sees_a_planted_call(body: str) -> None:
    planted = ast.parse(f"async def planted(call: Caller, db: Database, client: ServiceClient):\n {body}").body[0]
    assert isinstance(planted, Function)
    assert list(calls_in_transactions(planted))


def _imports(module: ast.Module) -> set[str]:
    """The top-level names of everything a module imports, wherever it does."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names
