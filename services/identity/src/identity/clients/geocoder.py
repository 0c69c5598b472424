"""Where a postal address lies. The default needs no network: the centre of the ZIP area, from a table in a package."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from contracts.values import Address
from identity.domain.stores import Point

ZIP_LENGTH = 5


class Geocoder(Protocol):
    """Raises when it cannot be asked now; the address is then tried again later."""

    async def locate(self, address: Address) -> Point | None:
        """A point for the address, or None when there is no such place."""


class ZipGeocoder:
    """Points by US postal code, refused when the code lies in another state than the address says."""

    async def locate(self, address: Address) -> Point | None:
        return await asyncio.to_thread(self._find, address)

    @staticmethod
    def _find(address: Address) -> Point | None:
        import zipcodes  # its table takes a moment to load, and only the worker needs it

        code = address.postal_code.strip()[:ZIP_LENGTH]
        if address.country != "US" or len(code) != ZIP_LENGTH or not (code.isascii() and code.isdigit()):
            return None
        for area in zipcodes.matching(code):  # type: ignore[no-untyped-call]  # it has no annotations
            if area["state"] == address.state:
                return Point(lat=float(area["lat"]), lng=float(area["long"]))
        return None


class StaticGeocoder:
    """The twin for tests: known postal codes, and a switch that takes it away."""

    def __init__(self, points: Mapping[str, Point]) -> None:
        self.points = dict(points)
        self.away = False

    async def locate(self, address: Address) -> Point | None:
        if self.away:
            raise ConnectionError("the geocoder is away")
        return self.points.get(address.postal_code)
