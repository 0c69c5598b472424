"""What orders needs beyond the floor."""

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    catalog_url: str = Field(description="where catalog answers; one base URL or several, separated by commas")
    identity_url: str = Field(description="where identity answers; one base URL or several, separated by commas")
    ach_enabled: bool = Field(default=False, description="whether a checkout may choose ach")
