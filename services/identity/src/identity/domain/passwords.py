"""How long what stands in for a password is good, and what is written to somebody who has forgotten theirs."""

from datetime import timedelta

from identity.domain.letters import Letter, way_in

RESET_TOKEN_LIFE = timedelta(hours=1)
TEMPORARY_LIFE = timedelta(hours=24)
TEMPORARY_LENGTH = 16
"""Letters and digits of a temporary password: 95 bits (spec 2.3)."""


def reset_letter(email: str, token: str, app_url: str | None) -> Letter:
    """Nothing in it tells whether it reaches the right person."""
    text = (
        "Somebody has asked for a new password for the Packhouse account with this address.\n\n"
        f"Use this within one hour, it works once:\n\n{way_in(app_url, 'reset-password', token)}\n\n"
        "If it was not you, leave it: your password stays as it is.\n"
    )
    return Letter(email, "Your new Packhouse password", text)
