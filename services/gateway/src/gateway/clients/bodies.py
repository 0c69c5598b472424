"""A request's body on its way through: counted, never parsed, held in memory only while it is short."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from starlette.types import Receive

from gateway.domain.heads import too_slow
from kernel.refusal import Invalid, Refusal, TooLarge

HELD_BYTES_MAX = 64 * 1024
DRAIN_BYTES_MAX = 4 * 1024 * 1024
DRAIN_SECONDS_MAX = 1.0


class ClientGone(Exception):  # noqa: N818  not an error of ours
    """The client closed its connection before the exchange was over."""


class Body:
    """One request body of at most `limit` bytes; a longer one raises TooLarge as soon as that is known.

    An encoded one raises Invalid when it is asked for: nobody behind this door decodes it, so none can unfold into
    more than was counted.
    `refusal` keeps what ended the body early, because the client that sends it upstream reports any such end as its
    own.
    """

    def __init__(self, headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self.refusal: Refusal | ClientGone | None = None
        self._is_read = False
        self._is_awaited = False
        self._declared = _declared(headers.get(b"content-length"))
        self.is_empty = self._declared == 0 or (self._declared is None and b"transfer-encoding" not in headers)
        if self._declared is not None and self._declared > limit:
            raise TooLarge
        self._is_encoded = headers.get(b"content-encoding", b"identity").lower() != b"identity"

    @property
    def is_left_over(self) -> bool:
        """Whether more of it may come than is worth waiting for, once an answer has been given without it."""
        is_long = self._declared is None or self._declared > HELD_BYTES_MAX or self._is_awaited
        return is_long and not self.is_empty and not self._is_read

    def give_up(self) -> None:
        """The time is over. Keeps the refusal when it was the client that let us wait."""
        if self._is_awaited and self.refusal is None:
            self.refusal = too_slow("body")

    async def content(self) -> bytes | AsyncIterator[bytes] | None:
        """What to send upstream: nothing, the whole of a short body, or its pieces as they come."""
        if self.is_empty:
            return None
        self._refuse_encoded()
        if self._declared is not None and self._declared <= HELD_BYTES_MAX:
            return await self.whole()
        return self._pieces()

    async def whole(self) -> bytes:
        """All of it, for the few routes that the gateway answers itself."""
        if self.is_empty:
            return b""
        self._refuse_encoded()
        return b"".join([piece async for piece in self._pieces()])

    def _refuse_encoded(self) -> None:
        if self._is_encoded:
            raise Invalid("encoding_unsupported", "encoded body", details={"content-encoding": "is invalid"})

    async def _pieces(self) -> AsyncIterator[bytes]:
        total, more = 0, True
        while more:
            self._is_awaited = True
            message = await self._receive()
            self._is_awaited = False
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


def _declared(length: bytes | None) -> int | None:
    if length is None:
        return None
    if not length.isdigit():
        raise Invalid(message="malformed content length")
    return int(length[:20])
