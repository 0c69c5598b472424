"""Configuration of identity, on top of what every service needs."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from chassis.settings import ServiceSettings

MEMORY_PER_LANE_KIB = 8
"""Argon2 needs this much memory for each degree of parallelism."""


class Settings(ServiceSettings):
    """`access_key_file` signs access tokens; it is a key of its own, not the one for service tokens."""

    access_key_file: Path = Field(description="identity's private Ed25519 key for access tokens, a JWK")
    argon2_memory_kib: int = Field(default=19_456, ge=8, le=524_288)
    argon2_passes: int = Field(default=2, ge=1, le=10)
    argon2_parallelism: int = Field(default=1, ge=1, le=255)
    argon2_salt_bytes: int = Field(default=16, ge=8, le=64)
    argon2_key_bytes: int = Field(default=32, ge=16, le=64)
    password_slots: int = Field(default=2, ge=1, le=16, description="passwords hashed at the same time")
    password_queue_max: int = Field(default=50, ge=1, le=1_000, description="when more wait: 429")

    @model_validator(mode="after")
    def _refuse_impossible_argon2(self) -> Self:
        if self.argon2_memory_kib < MEMORY_PER_LANE_KIB * self.argon2_parallelism:
            raise ValueError("argon2_memory_kib must be at least 8 for each degree of parallelism")
        return self
