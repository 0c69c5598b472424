"""Free text that came from outside."""

import unicodedata

_KEPT = {"\n", "\t"}


def cleaned(text: str) -> str:
    """Without control characters, surrogates and surrounding blanks, in normal form C (spec 1.2)."""
    kept = "".join(char for char in text if char in _KEPT or unicodedata.category(char) not in {"Cc", "Cs"})
    return unicodedata.normalize("NFC", kept).strip()


def like_pattern(text: str) -> str:
    r"""A pattern for `like ... escape '\'` that finds `text` anywhere, with every wildcard in it taken literally."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
