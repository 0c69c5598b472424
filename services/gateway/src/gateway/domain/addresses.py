"""Whose address a request comes from."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from gateway.domain.headers import Header

Network = IPv4Network | IPv6Network
_NOWHERE = "0.0.0.0"  # noqa: S104  the address of a peer that has none, not one that is bound


class ClientAddress:
    """Whose address a request comes from: the socket's, or, behind `hops` trusted proxies, the one they wrote down.

    Counted from the right, because everything further left was written by the client.
    """

    def __init__(self, trusted: Sequence[Network], hops: int) -> None:
        self._trusted = tuple(trusted)
        self._hops = hops

    def of(self, peer: str | None, headers: Iterable[Header]) -> str:
        """A well-formed address; the peer's own when the header is missing, too short or malformed."""
        if not self._trusted or peer is None or not is_within(peer, self._trusted):
            return peer or _NOWHERE
        values = [value for name, value in headers if name == b"x-forwarded-for"]
        written = b",".join(values).decode("latin-1").split(",")
        if len(written) < self._hops:
            return peer
        try:
            return str(ip_address(written[-self._hops].strip()))
        except ValueError:
            return peer


def is_within(address: str, networks: Iterable[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def rate_subject(address: str) -> str:
    """What an address counts as for limits: an IPv6 caller owns its whole /64."""
    if ":" not in address:
        return address
    try:
        return str(IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
