"""What each service process is told: addresses, keys and secrets of one stack, as `PACKHOUSE_*` variables."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chassis.auth import key_path, trust_path
from chassis.db.roles import role_url
from packhouse.home import Home
from packhouse.keys import access_key_path, hmac_secret
from packhouse.servers import Servers

EDGE = "gateway"
ALL_SERVICES = (
    "identity", "media", "catalog", "orders", "logistics", "finance", "billing", "notifications", "analytics", EDGE,
)  # fmt: skip


def installed_services() -> tuple[str, ...]:
    """The services of spec 0 that this Python has, the gateway last."""
    return tuple(name for name in ALL_SERVICES if importlib.util.find_spec(name) and _has_manifest(name))


def _has_manifest(name: str) -> bool:
    return importlib.util.find_spec(f"{name}.manifest") is not None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything the processes of one stack have in common."""

    home: Home
    servers: Servers
    database_url: str
    addresses: Mapping[str, Sequence[str]]
    mode: str
    rate_limits: bool

    def of(self, service: str) -> dict[str, str]:
        """The variables of one service; the same for its API, worker, jobs and migrations."""
        keys = self.home.keys
        own = {
            "PACKHOUSE_ENVIRONMENT": self.mode,
            "PACKHOUSE_REDIS_URL": self.servers.redis.url,
            "PACKHOUSE_KEY_FILE": str(key_path(keys, service)),
            "PACKHOUSE_TRUST_FILE": str(trust_path(keys)),
            "PACKHOUSE_HMAC_SECRET": hmac_secret(keys),
            "PACKHOUSE_RATE_LIMITS": "true" if self.rate_limits else "false",
        }
        if service == "identity":
            own["PACKHOUSE_ACCESS_KEY_FILE"] = str(access_key_path(keys))
        if service != EDGE:
            own |= self._stores_of(service)
        return own | {f"PACKHOUSE_{name.upper()}_URL": ",".join(urls) for name, urls in self.addresses.items()}

    def role_url(self, role: str) -> str:
        """The database as a role of this installation, such as `orders_app`."""
        return role_url(self.database_url, f"{role_prefix()}{role}", hmac_secret(self.home.keys))

    def _stores_of(self, service: str) -> dict[str, str]:
        """The gateway has neither database nor queue."""
        return {
            "PACKHOUSE_DATABASE_URL": self.role_url(f"{service}_app"),
            "PACKHOUSE_RELAY_DATABASE_URL": self.role_url(f"{service}_relay"),
            "PACKHOUSE_RABBITMQ_URL": self.servers.rabbitmq.url,
        }


def role_prefix() -> str:
    """Tells the roles of two installations on one given server apart."""
    return os.environ.get("PACKHOUSE_ROLE_PREFIX", "")
