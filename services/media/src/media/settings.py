"""Configuration of media, on top of what every service needs."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Uploads land in the private bucket; verified pictures of public kinds are copied into the public one."""

    identity_url: str = Field(description="base URLs of identity, separated by commas")
    storage_key_file: Path = Field(description="a Google service account's key, JSON: it asks the store and signs URLs")
    storage_url: str | None = Field(default=None, description="the store's JSON API; without one, Google's")
    storage_public_url: str | None = Field(
        default=None, description="where clients reach the store: the host of signed URLs; without one, Google's"
    )
    storage_private_bucket: str
    storage_public_bucket: str
    storage_public_base: str | None = Field(
        default=None, description="public_url is this, a slash and the key; without it nothing has a public_url"
    )
    upload_minutes: int = Field(default=15, ge=5, le=30, description="how long a signed upload URL is good")
    read_minutes: int = Field(default=15, ge=1, le=15, description="how long a signed read URL is good")
    pubsub_emulator: str | None = Field(default=None, description="host:port, outside production; without one, Google")
    pubsub_project: str
    pubsub_subscription: str = Field(description="the subscription of the private bucket's notifications")

    @model_validator(mode="after")
    def _refuse_unsafe_store(self) -> Self:
        """A bearer over plain HTTP, or a notice from nobody in particular, would be believed."""
        if self.storage_private_bucket == self.storage_public_bucket:
            raise ValueError("storage_private_bucket and storage_public_bucket must differ")
        if self.environment != "production":
            return self
        told = (self.storage_url, self.storage_public_url, self.storage_public_base)
        if self.pubsub_emulator or any(url and not url.startswith("https://") for url in told):
            raise ValueError(
                "storage_url, storage_public_url and storage_public_base must be https://, "
                "and pubsub_emulator unset in production"
            )
        return self
