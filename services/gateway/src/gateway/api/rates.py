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
PRESIGN = Policy("presign-store", 60, MINUTE)
ADS = Policy("ads-store", 120, MINUTE)
AGENT_CASH = Policy("cash-agent", 30, MINUTE)
_LEASE_SHARE = 50
"""Requests of the general limits are taken from Redis by fiftieths, so a process may admit two per cent too many."""

_BY_ADDRESS = {
    ("POST", "/api/v1/auth/login"): LOGIN,
    ("POST", "/api/v1/admin/auth/login"): LOGIN,
    ("POST", "/api/v1/auth/register"): REGISTER,
    ("POST", "/api/v1/auth/forgot-password"): FORGOTTEN,
}
_BY_STORE = {
    ("POST", "/api/v1/checkout"): CHECKOUT,
    ("POST", "/api/v1/media/presign"): PRESIGN,
    ("POST", "/api/v1/ads/impression"): ADS,
    ("GET", "/api/v1/ads/click"): ADS,
}
_DECISIONS = re.compile(r"/api/v1/vendor/orders/[^/]+/(?:decision|line-items/decision|fulfill)")
_CASH = re.compile(r"/api/v1/agent/orders/[^/]+/cash-collected")


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
        own = None if session is None else _own(method, path, session)
        if own is not None:
            return (own,)
        everything_else = (self._address, rate_subject(address))
        return (everything_else,) if session is None else ((self._user, str(session.user_id)), everything_else)


def _own(method: str, path: str, session: SessionState) -> tuple[Policy, str] | None:
    """The limit that this route has for itself, counted for the store or the agent."""
    policy = _BY_STORE.get((method, path))
    if policy is None and method == "POST":
        if _CASH.fullmatch(path):
            return AGENT_CASH, str(session.user_id)
        policy = DECISIONS if _DECISIONS.fullmatch(path) else None
    return None if policy is None or session.store_id is None else (policy, str(session.store_id))


def _general(name: str, per_minute: int) -> Policy:
    return Policy(name, per_minute, MINUTE, lease=max(1, per_minute // _LEASE_SHARE))
