"""Configuration of the gateway."""

from ipaddress import IPv4Network, IPv6Network
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """A gateway has no database and no queue, so it asks for neither."""

    database_url: str = ""
    relay_database_url: str = ""
    rabbitmq_url: str = ""
    identity_url: str = Field(description="base URLs of identity, separated by commas; used in turn")
    catalog_url: str = Field(default="", description="base URLs of catalog; without one its routes are unknown")
    orders_url: str = Field(default="", description="base URLs of orders; without one its routes are unknown")
    media_url: str = Field(default="", description="base URLs of media; without one its routes are unknown")
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
    cors_origins: tuple[str, ...] = Field(
        default=(), description='origins whose pages may read answers, as a JSON list: ["https://app.example.com"]'
    )
    head_seconds: float = Field(default=10, gt=0, description="for the head of a request, from its first byte")
    body_seconds: float = Field(default=20, gt=0, description="for a body, of which each half must keep the rate")
    body_bytes_per_second: int = Field(default=1024, ge=1, description="a body that comes more slowly is given up")
    idle_seconds: float = Field(
        default=10, gt=0, description="an idle connection is kept so long; one of a trusted proxy for 75 s"
    )
    connections_per_address: int = Field(
        default=256, ge=1, description="open at once; not counted for trusted proxies; an IPv6 /64 is one address"
    )
    connections_max: int = Field(default=2048, ge=1, description="open at once; keep it below the limit of open files")
    requests_max: int = Field(default=1024, ge=1, description="in work at once; more are answered 503")
    upstream_connections: int = Field(default=200, ge=1, le=2000, description="kept-alive connections per instance")

    @model_validator(mode="after")
    def _refuse_vague_origins(self) -> Self:
        for origin in self.cors_origins:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
                raise ValueError(f"cors_origins: {origin} is no origin such as https://app.example.com")
        return self

    def addresses(self, service: str) -> list[str]:
        """Base URLs of a service's instances, none when it is not part of this installation."""
        listed: str = getattr(self, f"{service}_url")
        return [base.strip().rstrip("/") for base in listed.split(",") if base.strip()]
