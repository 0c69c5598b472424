"""A request's body on its way through: counted, never parsed, held in memory only while it is short."""

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive

from gateway.domain.headers import Header
from kernel.refusal import Invalid, Refusal, TooLarge

HELD_BYTES_MAX = 64 * 1024
DRAIN_BYTES_MAX = 4 * 1024 * 1024
DRAIN_SECONDS_MAX = 1.0


class ClientGone(Exception):  # noqa: N818  not an error of ours
    """The client closed its connection before the exchange was over."""


class Body:
    """One request body of at most `limit` bytes; a longer one raises TooLarge as soon as that is known.

    `refusal` keeps what ended the body early, because the client that sends it upstream reports any such end as its
    own.
    """

    def __init__(self, headers: list[Header], receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self.refusal: Refusal | ClientGone | None = None
        self._is_read = False
        lengths = {value for name, value in headers if name == b"content-length"}
        self._declared = _declared(lengths)
        self.is_empty = self._declared == 0 or not (lengths or any(name == b"transfer-encoding" for name, _ in headers))
        if self._declared is not None and self._declared > limit:
            raise TooLarge

    @property
    def is_left_over(self) -> bool:
        """Whether more of it may come than is worth waiting for, once an answer has been given without it."""
        is_long = self._declared is None or self._declared > HELD_BYTES_MAX
        return is_long and not self.is_empty and not self._is_read

    async def content(self) -> bytes | AsyncIterator[bytes] | None:
        """What to send upstream: nothing, the whole of a short body, or its pieces as they come."""
        if self.is_empty:
            return None
        if self._declared is not None and self._declared <= HELD_BYTES_MAX:
            return await self.whole()
        return self._pieces()

    async def whole(self) -> bytes:
        """All of it, for the few routes that the gateway answers itself."""
        return b"" if self.is_empty else b"".join([piece async for piece in self._pieces()])

    async def _pieces(self) -> AsyncIterator[bytes]:
        total, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.refusal = ClientGone()
                raise self.refusal
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            total += len(piece)
            if total > self._limit:
                self.refusal = TooLarge()
                raise self.refusal
            if piece:
                yield piece
        self._is_read = True


async def drain(receive: Receive) -> None:
    """Read on for a moment after an early answer: a client that is still writing when its connection closes would lose
    the answer with it. One that writes without end is cut off.
    """
    total = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS_MAX):
            while total <= DRAIN_BYTES_MAX:
                message = await receive()
                total += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _declared(lengths: set[bytes]) -> int | None:
    if not lengths:
        return None
    value = next(iter(lengths))
    if len(lengths) > 1 or not value.isdigit():
        raise Invalid(message="malformed content length")
    return int(value[:20])
