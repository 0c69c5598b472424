"""Configuration of one process, from the environment only (spec 1.8)."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_LENGTH_MIN = 32
_PLACEHOLDERS = ("changeme", "change-me", "secret", "password", "example", "placeholder", "insecure", "default")


class ServiceSettings(BaseSettings):
    """What every service needs; a service's own `Settings` adds to it. Every variable is `PACKHOUSE_<FIELD>`.

    Failpoints, a turned clock and rate limits that are off are refused outside their environments.
    """

    model_config = SettingsConfigDict(env_prefix="PACKHOUSE_", frozen=True, extra="ignore")

    environment: Literal["production", "development", "test"] = "production"
    database_url: str = Field(description="PostgreSQL as the service's app role")
    relay_database_url: str = Field(description="PostgreSQL as the service's relay role")
    database_pool: int = Field(default=6, ge=1, le=50, description="open connections at most")
    redis_url: str
    rabbitmq_url: str
    key_file: Path = Field(description="this service's private Ed25519 key, a JWK")
    trust_file: Path = Field(description="public keys of every issuer: {issuer: [JWK]}")
    hmac_secret: SecretStr = Field(description="keys fingerprints and derived tokens; at least 32 characters")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: str | None = Field(default=None, description="OTLP/HTTP collector; traces stay local without one")
    worker_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="where a worker answers health and metrics; an API does on its own port",
    )
    rate_limits: bool = True
    failpoints: str = Field(default="", description="test environment only")
    clock_offset_seconds: float = Field(default=0, description="test environment only")

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        secret = self.hmac_secret.get_secret_value()
        if len(secret) < SECRET_LENGTH_MIN or any(word in secret.lower() for word in _PLACEHOLDERS):
            raise ValueError("hmac_secret is a placeholder or shorter than 32 characters")
        if self.environment != "test" and (self.failpoints or self.clock_offset_seconds):
            raise ValueError("failpoints and clock_offset_seconds are for the test environment only")
        if self.environment == "production" and not self.rate_limits:
            raise ValueError("rate_limits cannot be off in production")
        return self

    @property
    def clock_offset(self) -> timedelta:
        return timedelta(seconds=self.clock_offset_seconds)


Settings = TypeVar("Settings", bound=ServiceSettings)


def read_settings(kind: type[Settings]) -> Settings:
    """The settings of this process; ends it with exit status 2 and the names of what is missing or wrong."""
    try:
        return kind()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            sys.stderr.write(f"PACKHOUSE_{name}: {problem['msg']}\n")
        raise SystemExit(2) from None
