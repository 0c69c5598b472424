"""Which service answers which path (spec 11), and what a caller needs before a request is passed on (spec 1.6).

The table is data: a new service is a row. The gateway knows prefixes only, so a service ships a route without it.
"""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

_ROWS: dict[str, tuple[str, ...]] = {
    "identity": ("auth", "stores", "licenses", "admin/auth", "admin/users", "admin/stores", "admin/licenses"),
    "catalog": ("products", "vendor/products", "inventory"),
    "orders": ("cart", "checkout", "orders", "vendor/orders", "admin/orders/{}/cancel"),
    "media": ("media",),
}

SERVICES = tuple(_ROWS)

_ANONYMOUS = {
    "/api/v1/auth/register",
    "/api/v1/auth/login",
    "/api/v1/auth/accept-invite",
    "/api/v1/auth/refresh",
    "/api/v1/auth/logout",
    "/api/v1/auth/forgot-password",
    "/api/v1/auth/reset-password",
    "/api/v1/admin/auth/login",
}
_ANONYMOUS_OUTSIDE_PRODUCTION = {"/api/v1/admin/auth/register"}

READS_BEARER = frozenset({"/api/v1/auth/refresh", "/api/v1/auth/logout"})
"""Anonymous here, because the bearer they read may be expired."""

ALLOWED_BEFORE_NEW_PASSWORD = frozenset({"/api/v1/auth/update-password"}) | READS_BEARER

_WITHOUT_STORE = re.compile(
    r"/api/v1/(?:(?:auth|notifications|agent|admin)(?:/|$)|ping$|stores/my$|stores/(?!me$|vendors$)[^/]+$)"
)


@dataclass(frozen=True, slots=True)
class Route:
    """One row: `label` stands in logs and metrics, which keep prefixes and no ids."""

    row: str
    service: str
    label: str


class RouteTable:
    """The rows of the services that this installation has."""

    def __init__(self, services: AbstractSet[str]) -> None:
        rows = [(row, service) for service in _ROWS if service in services for row in _ROWS[service]]
        rows.sort(key=lambda entry: _rank(entry[0]), reverse=True)
        self.routes = tuple(Route(row, service, f"/api/v1/{row}") for row, service in rows)
        alternatives = "|".join(f"(?P<r{number}>{_pattern(row)})" for number, (row, _) in enumerate(rows))
        self._regex = re.compile(rf"/api/v1/(?:{alternatives or '(?!)'})(?:/|$)")

    def find(self, path: str) -> Route | None:
        """The longest row that the path begins with, fixed names before parameters."""
        match = self._regex.match(path)
        return self.routes[int((match.lastgroup or "r0")[1:])] if match else None


def anonymous_paths(*, production: bool) -> frozenset[str]:
    """Paths that need no token; the service behind them says for which methods they are there."""
    return frozenset(_ANONYMOUS if production else _ANONYMOUS | _ANONYMOUS_OUTSIDE_PRODUCTION)


def needs_store(path: str) -> bool:
    """Whether a path can only be asked for with an active store."""
    return _WITHOUT_STORE.match(path) is None


def is_credential_path(path: str) -> bool:
    """Whether bodies of this path hold credentials and are therefore short."""
    return path.startswith(("/api/v1/auth/", "/api/v1/admin/auth/"))


def _rank(row: str) -> tuple[int, int]:
    segments = row.split("/")
    return len(segments), sum(segment != "{}" for segment in segments)


def _pattern(row: str) -> str:
    return "/".join("[^/]+" if segment == "{}" else re.escape(segment) for segment in row.split("/"))
