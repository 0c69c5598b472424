"""Values in, values out."""


def title_key(title: str) -> str:
    """Titles with one key are the same title: case and the width of spaces tell nothing apart."""
    return " ".join(title.casefold().split())
