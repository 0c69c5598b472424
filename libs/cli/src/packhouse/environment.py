"""What each service process is told: addresses, keys and secrets of one stack, as `PACKHOUSE_*` variables."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chassis.db.roles import role_url
from packhouse.cloud import OWNER, cloud_variables
from packhouse.home import Home
from packhouse.keys import hmac_secret, variables
from packhouse.servers import Servers

EDGE = "gateway"
ADMIN_URL = "PACKHOUSE_ADMIN_DATABASE_URL"
ALL_SERVICES = (
    "identity",
    "media",
    "catalog",
    "orders",
    "logistics",
    "finance",
    "billing",
    "notifications",
    "analytics",
    EDGE,
)


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
        shared = {
            "PACKHOUSE_ENVIRONMENT": self.mode,
            "PACKHOUSE_REDIS_URL": self.servers.redis.url,
            "PACKHOUSE_RABBITMQ_URL": self.servers.rabbitmq.url,
            "PACKHOUSE_RATE_LIMITS": "true" if self.rate_limits else "false",
        }
        addresses = {f"PACKHOUSE_{name.upper()}_URL": ",".join(urls) for name, urls in self.addresses.items()}
        cloud = cloud_variables(self.servers, self.home.keys) if service == OWNER else {}
        secrets = variables(self.home.keys, service, self.database_url, prefix=role_prefix())
        return {**shared, **addresses, **cloud, **secrets}

    def role_url(self, role: str) -> str:
        """The database as a role of this installation, such as `orders_app`."""
        return role_url(self.database_url, f"{role_prefix()}{role}", hmac_secret(self.home.keys))


def role_prefix() -> str:
    """Tells the roles of two installations on one given server apart."""
    return os.environ.get("PACKHOUSE_ROLE_PREFIX", "")
