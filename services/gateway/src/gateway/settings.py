"""Configuration of the gateway."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """A gateway has no database and no queue, so it asks for neither."""

    database_url: str = ""
    relay_database_url: str = ""
    rabbitmq_url: str = ""
    identity_url: str = Field(description="base URLs of identity, separated by commas; used in turn")
    catalog_url: str = Field(default="", description="base URLs of catalog; without one its routes are unknown")
    orders_url: str = Field(default="", description="base URLs of orders; without one its routes are unknown")
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description='networks whose X-Forwarded-For counts, as a JSON list: ["10.0.0.0/8"]'
    )
    trusted_hops: int = Field(default=1, ge=1, le=8, description="proxies between the client and the gateway")
    metrics_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="callers that may read /metrics; to all others it does not exist",
    )
    rate_user_per_minute: int = Field(default=600, ge=1)
    rate_ip_per_minute: int = Field(default=1200, ge=1)
    upstream_connections: int = Field(default=200, ge=1, le=2000, description="kept-alive connections per instance")

    def addresses(self, service: str) -> list[str]:
        """Base URLs of a service's instances, none when it is not part of this installation."""
        listed: str = getattr(self, f"{service}_url")
        return [base.strip().rstrip("/") for base in listed.split(",") if base.strip()]
