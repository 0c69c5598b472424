"""Presigns: how many uploads a second may begin, and how many addresses Google's own client signs in one process."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Self
from uuid import uuid4

import aiohttp
from google.cloud import storage
from google.oauth2 import service_account

from bench.figures import CONNECTIONS, Figures, driven
from bench.house import House
from packhouse.actors import Buyer

PRESIGNS = 320
SIZE = 100_000
LIVES = timedelta(minutes=15)
TYPE = "image/png"


class Presigns:
    """Every one is of another store, as far as there are stores, so that no limit of one store counts."""

    def __init__(self, house: House) -> None:
        self._house = house
        told = house.stack.environment("media")
        credentials = service_account.Credentials.from_service_account_file(told["PACKHOUSE_STORAGE_KEY_FILE"])
        client = storage.Client(project=credentials.project_id, credentials=credentials)
        self._bucket = client.bucket("bench")

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def house(self) -> Figures:
        buyers = self._house.market.buyers
        return await driven([self._presign(buyers[n % len(buyers)]) for n in range(PRESIGNS)], at_once=CONNECTIONS)

    async def signing(self) -> Figures:
        """The same addresses, signed one after another and stored nowhere."""
        return await driven([self._sign] * PRESIGNS, at_once=1)

    def _presign(self, buyer: Buyer) -> Callable[[], Awaitable[bool]]:
        body = {"media_kind": "other", "mime_type": TYPE, "file_name": "bench.png", "size_bytes": SIZE}
        headers = {"Authorization": f"Bearer {buyer.token}", "Idempotency-Key": uuid4().hex}

        async def presign() -> bool:
            url = f"{self._house.stack.gateway_url}/api/v1/media/presign"
            async with self._http.post(url, json=body, headers=headers) as answer:
                await answer.read()
                return answer.ok

        return presign

    async def _sign(self) -> bool:
        ours = {"x-goog-content-length-range": f"1,{SIZE}", "x-goog-if-generation-match": "0"}
        blob = self._bucket.blob(f"bench/{uuid4()}.png")
        await asyncio.to_thread(
            blob.generate_signed_url,
            version="v4",
            method="PUT",
            expiration=LIVES,
            content_type=TYPE,
            headers=ours,
        )
        return True
