"""When two spellings are one name."""

import unicodedata

from kernel.text import cleaned


def normal_email(email: str) -> str:
    """The one spelling an account is kept under: composed form C, trimmed, lower-case (spec 1.2)."""
    return cleaned(unicodedata.normalize("NFC", email).lower())


COMPANY_KEY_LENGTH = 400
"""Some letters stand for whole phrases and would burst the index; no two companies differ beyond this."""


def company_key(company_name: str) -> str:
    """What must be unique per state among live stores.

    Spec 2.1 asks for the trimmed name in lower case. This is stricter, because a name may impersonate a licensed
    business: compatibility letters, case and runs of blanks make no difference, whatever the database's collation.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", company_name).casefold())
    return " ".join(folded.split())[:COMPANY_KEY_LENGTH].rstrip()


def full_name(first_name: str, last_name: str) -> str:
    return f"{first_name} {last_name}".strip()
