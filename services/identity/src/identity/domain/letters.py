"""What identity writes to people."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Letter:
    """Plain text for one address. It may hold a one-time token, so it is never stored and never logged."""

    to: str
    subject: str
    text: str
