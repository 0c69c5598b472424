"""Which limits a request uses (spec 16.2). Limits per e-mail are identity's, which alone reads the body."""

import re

from chassis.limits import Policy
from contracts.identity import SessionState
from gateway.domain.addresses import rate_subject
from gateway.settings import Settings

MINUTE = 60
LOGIN = Policy("login-ip", 20, MINUTE)
REGISTER = Policy("register-ip", 20, 5 * MINUTE)
FORGOTTEN = Policy("forgot-ip", 20, 5 * MINUTE)
"""So that nobody has letters sent to many strangers; spec 2.3 asks for a limit and leaves its figure open."""

CHECKOUT = Policy("checkout-store", 10, MINUTE)
DECISIONS = Policy("decisions-store", 60, MINUTE)
_LEASE_SHARE = 50
"""Requests of the general limits are taken from Redis by fiftieths, so a process may admit two per cent too many."""

_DECISIONS = re.compile(r"/api/v1/vendor/orders/[^/]+/(?:decision|line-items/decision|fulfill)")
_BY_ADDRESS = {
    ("POST", "/api/v1/auth/login"): LOGIN,
    ("POST", "/api/v1/admin/auth/login"): LOGIN,
    ("POST", "/api/v1/auth/register"): REGISTER,
    ("POST", "/api/v1/auth/forgot-password"): FORGOTTEN,
}


class Rates:
    """The table of limits, with the general figures that settings may change."""

    def __init__(self, settings: Settings) -> None:
        self._user = _general("user", settings.rate_user_per_minute)
        self._address = _general("ip", settings.rate_ip_per_minute)

    def uses(
        self, method: str, path: str, session: SessionState | None, address: str
    ) -> tuple[tuple[Policy, str], ...]:
        """Policies and the subject each counts for."""
        by_address = _BY_ADDRESS.get((method, path))
        if by_address is not None:
            return ((by_address, rate_subject(address)),)
        of_store = _of_store(method, path)
        if of_store is not None and session is not None and session.store_id is not None:
            return ((of_store, str(session.store_id)),)
        everything_else = (self._address, rate_subject(address))
        return (everything_else,) if session is None else ((self._user, str(session.user_id)), everything_else)


def _of_store(method: str, path: str) -> Policy | None:
    if method != "POST":
        return None
    if path == "/api/v1/checkout":
        return CHECKOUT
    return DECISIONS if _DECISIONS.fullmatch(path) else None


def _general(name: str, per_minute: int) -> Policy:
    return Policy(name, per_minute, MINUTE, lease=max(1, per_minute // _LEASE_SHARE))
