"""Saying what became of media."""

from collections.abc import Mapping
from typing import Any

from chassis.db import Record, Tx
from contracts.media import MediaChanged


def announce(tx: Tx, facts: Mapping[str, Any] | None) -> Record:
    """Emit `media_changed` for a row of facts (`media.repo.media.FACTS`), and answer the row."""
    assert facts is not None  # noqa: S101  the row of these facts is locked, or has just been made
    tx.emit(MediaChanged.model_validate(dict(facts)))
    row: Any = facts
    return row
