"""The passwords that everybody tries first, from a package (reliability 3.11)."""

from typing import Final

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from kernel.refusal import Invalid

LENGTH_MIN: Final = 8
AMOUNT: Final = 10_000

_COMMON: Final = frozenset(
    [password for password in FREQUENCY_LISTS["passwords"] if len(password) >= LENGTH_MIN][:AMOUNT]
)
"""In lower case. The list goes by frequency; shorter ones are refused for their length already."""


def refuse_common(password: str, field: str) -> None:
    """Raises Invalid that names the field."""
    if is_common(password):
        raise Invalid("common_password", "this is one of the most common passwords", details={field: "is invalid"})


def is_common(password: str) -> bool:
    """Whether it is one of the 10,000 most common passwords that are long enough, in whatever case."""
    return password.lower() in _COMMON
