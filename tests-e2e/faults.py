"""Failpoints of running processes: each service of the stack reads them from a file of its own."""

from pathlib import Path

from packhouse.stack import Stack


def file_of(root: Path, service: str) -> Path:
    return root / "failpoints" / service


def armed_by_file(root: Path, services: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The variables that make the processes of these services read their failpoints."""
    (root / "failpoints").mkdir(parents=True, exist_ok=True)
    return {service: {"PACKHOUSE_FAILPOINTS": f"file:{file_of(root, service)}"} for service in services}


def arm(stack: Stack, service: str, failpoints: str) -> None:
    """What the processes of this service do from now on, such as `relay.after_confirm=kill@1`; nothing when empty."""
    path = file_of(stack.home.root, service)
    fresh = path.with_suffix(".new")
    fresh.write_text(failpoints)
    fresh.replace(path)
