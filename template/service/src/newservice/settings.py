"""What newservice needs beyond the floor: nothing yet."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Variables of this service only; each becomes `PACKHOUSE_<FIELD>`."""
