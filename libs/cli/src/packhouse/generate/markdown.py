"""Tables, and sections of a page that a person otherwise writes."""

from collections.abc import Sequence
from pathlib import Path


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell or " " for cell in line) + " |" for line in lines)


def section(path: Path, mark: str, text: str) -> str:
    """The page with the generated section put between its marks; a page without them gets it at its end."""
    begin, end = f"<!-- generated: {mark} -->", f"<!-- end: {mark} -->"
    whole = path.read_text(encoding="utf-8") if path.exists() else f"# {path.parent.name}\n"
    if begin not in whole:
        whole = f"{whole.rstrip()}\n\n## {mark.capitalize()}\n\n{begin}\n{end}\n"
    head, _, rest = whole.partition(begin)
    tail = rest.partition(end)[2]
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"
