"""A mail server on this machine, which says what a test wants it to say."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Taken:
    """One letter that was taken: the addresses of the envelope, which are what counts, and what was in it."""

    sender: str
    recipients: list[str]
    message: EmailMessage


@dataclass
class PostOffice:
    """`says` are its replies to one letter after the other; after those it takes every letter."""

    port: int = 0
    says: list[str] = field(default_factory=list)
    tries: int = 0
    taken: list[Taken] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's
        self.tries += 1
        if self.says:
            return self.says.pop(0)
        message = message_from_bytes(cast("bytes", envelope.content), policy=policy.default)
        self.taken.append(Taken(str(envelope.mail_from), envelope.rcpt_tos, message))
        return "250 taken"


@asynccontextmanager
async def post_office() -> AsyncIterator[PostOffice]:
    """Open for letters without TLS."""
    office, loop = PostOffice(), asyncio.get_running_loop()
    async with listening(lambda: SMTP(office, hostname="post-office", loop=loop)) as office.port:
        yield office


@asynccontextmanager
async def listening(protocol: Callable[[], asyncio.BaseProtocol]) -> AsyncIterator[int]:
    """A port where this protocol answers; `asyncio.Protocol` itself never says a word."""
    server = await asyncio.get_running_loop().create_server(protocol, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
