"""Configuration of catalog."""

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    identity_url: str = Field(description="base URLs of identity, separated by commas")
    orders_url: str = Field(description="base URLs of orders, separated by commas")
    media_url: str = Field(description="base URLs of media, separated by commas")
