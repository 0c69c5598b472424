"""Everything that is written from the code instead of by hand. What is stale is red: `packhouse generate --check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from chassis.manifest import Service, load
from packhouse.environment import installed_services
from packhouse.generate import additive, asyncapi, contracts, dashboards, events, routes, settings

__all__ = ["documents", "generate"]


def generate(root: Path, *, check: bool) -> tuple[list[Path], list[str]]:
    """Write what is stale, or only tell; and what the contracts have lost since the last commit."""
    made = documents(root, [load(name) for name in installed_services()])
    stale = [path for path, text in made.items() if _present(root / path) != text]
    stale += [path for path in _owned(root) if path not in made]
    if not check:
        for path in stale:
            _write(root / path, made.get(path))
    return stale, additive.losses(root, {path: made[path] for path in made if path.is_relative_to(contracts.FOLDER)})


def documents(root: Path, services: Sequence[Service]) -> Mapping[Path, str]:
    """Every generated file, by its place in the work tree."""
    return {
        **events.documents(root, services),
        **asyncapi.documents(services),
        **routes.documents(services),
        **contracts.documents(services),
        **settings.documents(services),
        **dashboards.documents(),
    }


def _owned(root: Path) -> list[Path]:
    """Files of folders that hold nothing but generated ones: a contract that nobody makes any more is seen there."""
    return [path.relative_to(root) for path in (root / contracts.FOLDER).rglob("*.json")]


def _present(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
