"""The passwords that everybody tries first, from a package (reliability 3.11)."""

from functools import cache
from itertools import islice
from typing import Final

from identity.domain.people import PASSWORD_LENGTHS
from kernel.refusal import Invalid

AMOUNT: Final = 10_000


def refuse_common(password: str, field: str) -> None:
    """Raises Invalid that names the field."""
    if is_common(password):
        raise Invalid("common_password", "this is one of the most common passwords", details={field: "is invalid"})


def is_common(password: str) -> bool:
    """Whether it is one of the 10,000 most common passwords that are long enough, in whatever case."""
    return password.lower() in _common()


@cache
def _common() -> frozenset[str]:
    """In lower case. The list goes by frequency; shorter ones are refused for their length already."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # takes a moment and 10 MB, and only new passwords need it

    long_enough = (password for password in FREQUENCY_LISTS["passwords"] if len(password) >= PASSWORD_LENGTHS.start)
    return frozenset(islice(long_enough, AMOUNT))
