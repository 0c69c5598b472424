"""Configuration of identity, on top of what every service needs."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from chassis.settings import ServiceSettings

MEMORY_PER_LANE_KIB = 8
"""Argon2 needs this much memory for each degree of parallelism."""

SMTP_SCHEMES = {"smtps", "smtp", "smtp+plain"}
"""TLS from the start, TLS demanded by STARTTLS, and none."""


class Settings(ServiceSettings):
    """`access_key_file` signs access tokens with keys of its own, not with the one for service tokens."""

    access_key_file: Path = Field(description="identity's private Ed25519 keys for access tokens, a JWK or a JWK set")
    media_url: str = Field(description="base URLs of media, separated by commas")
    argon2_memory_kib: int = Field(default=19_456, ge=8, le=524_288)
    argon2_passes: int = Field(default=2, ge=1, le=10)
    argon2_parallelism: int = Field(default=1, ge=1, le=255)
    argon2_salt_bytes: int = Field(default=16, ge=8, le=64)
    argon2_key_bytes: int = Field(default=32, ge=16, le=64)
    password_slots: int = Field(default=2, ge=1, le=16, description="passwords hashed at the same time")
    password_queue_max: int = Field(default=50, ge=1, le=1_000, description="when more wait: 429")
    mail: Literal["none", "smtp"] | None = Field(
        default=None, description="how letters go out, none or smtp; must be said in production, elsewhere it is none"
    )
    smtp_url: SecretStr | None = Field(
        default=None, description="smtps://, smtp:// (with STARTTLS) or, outside production, smtp+plain://, with log-in"
    )
    mail_from: str | None = Field(default=None, description="the sender of letters, such as Packhouse <no-reply@...>")
    app_url: str | None = Field(default=None, description="where the web app is, for links in letters")

    @model_validator(mode="after")
    def _refuse_impossible_argon2(self) -> Self:
        if self.argon2_memory_kib < MEMORY_PER_LANE_KIB * self.argon2_parallelism:
            raise ValueError("argon2_memory_kib must be at least 8 for each degree of parallelism")
        return self

    @model_validator(mode="after")
    def _refuse_half_a_mailer(self) -> Self:
        """A forgotten setting would hand one-time tokens to whoever asks for them, so production has to choose."""
        if self.environment == "production" and self.mail is None:
            raise ValueError("mail must be none or smtp in production")
        if self.mail == "smtp":
            self._refuse_unusable_smtp()
        return self

    def _refuse_unusable_smtp(self) -> None:
        if self.smtp_url is None or self.mail_from is None:
            raise ValueError("smtp_url and mail_from are required with mail=smtp")
        url = urlsplit(self.smtp_url.get_secret_value())
        if url.scheme not in SMTP_SCHEMES or not url.hostname:
            raise ValueError("smtp_url must begin with smtps://, smtp:// or smtp+plain:// and name a host")
        if url.scheme == "smtp+plain" and self.environment == "production":
            raise ValueError("smtp_url must use TLS in production")
