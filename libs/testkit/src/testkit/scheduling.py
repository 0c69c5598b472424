"""Which worker runs what: a file stays on one worker, and all tests of the whole stack share the one that starts it."""

from collections.abc import Callable
from typing import Any

STACK_FOLDER = "tests-e2e/"


def scope_of(nodeid: str) -> str:
    """Tests of one scope run on one worker, in their order."""
    path = nodeid.partition("::")[0]
    return STACK_FOLDER if path.startswith(STACK_FOLDER) else path


def scheduler(config: Any, log: Any) -> Any:
    """In the order of collection, so that the longest scope, the stack's, begins first.

    xdist's own groups rest on renaming tests, which this pytest no longer lets it do.
    """
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    made = LoadScopeScheduling(config, log)
    split: Callable[[str], str] = scope_of
    made._split_scope = split  # noqa: SLF001  the place where xdist lets a scope be told
    return made
