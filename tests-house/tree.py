"""The committed files of the work tree, and their Python as syntax trees."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCT = ("libs/", "services/")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> tuple[Path, ...]:
    """What git knows or would add, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(path for path in map(Path, sorted(set(listed))) if (ROOT / path).is_file())


@cache
def text(path: Path) -> str:
    """Empty for what is no text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def python_files(*, product: bool = False) -> list[Path]:
    """All Python, or only what is shipped: libraries and services without their tests."""
    chosen = [path for path in files() if path.suffix == ".py"]
    if not product:
        return chosen
    return [path for path in chosen if str(path).startswith(PRODUCT) and "tests" not in path.parts]


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(text(path), filename=str(path))


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(syntax(path)):
        if isinstance(node, Function):
            yield node
