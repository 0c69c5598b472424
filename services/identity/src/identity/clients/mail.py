"""Mail to people: handed over after the commit that it tells of, and waited for by nobody (docs/adr/0009)."""

import asyncio
import itertools
import re
import ssl
from collections.abc import Sequence
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTPException, SMTPNotSupported, SMTPRecipientsRefused, SMTPResponseException

from chassis.telemetry import counter, get_logger
from identity.domain.letters import Letter
from identity.settings import Settings

ATTEMPT_SECONDS = 10.0
PAUSES_SECONDS = (1.0, 10.0)
"""Before the second try and the third; after that the letter is lost, and whoever waits for it asks for another."""

OPEN_MAX = 500
CONNECTIONS_MAX = 4
CLOSING_SECONDS = 5.0
REFUSED_FOR_GOOD = 500
"""Replies from here on are the server's last word (RFC 5321, 4.2.1)."""

_TROUBLE = (SMTPException, MessageError, OSError, ValueError)
"""What a try may end with. An address that no header can hold is a ValueError."""

_HOST = re.compile(r"[a-zA-Z0-9.-]+")
_log = get_logger("identity.mail")
_letters = counter("letters_total", "Letters by what became of them.", ("outcome",))


class Mailer(Protocol):
    """Hands letters over. Call it after the commit: a letter that is lost has changed nothing."""

    @property
    def is_configured(self) -> bool:
        """Whether letters reach anybody. Where they do not, one-time tokens are answered as far as spec 2.2 allows."""

    def post(self, letter: Letter) -> None:
        """Returns at once and never fails, so neither time nor answer tells whether there was a letter."""


class NoMailer:
    """Nothing is configured: letters go nowhere."""

    is_configured = False

    def post(self, letter: Letter) -> None:  # noqa: ARG002  the port has it
        _letters.labels("unconfigured").inc()


class RecordingMailer:
    """The twin for tests: keeps what was posted."""

    is_configured = True

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def post(self, letter: Letter) -> None:
        self.letters.append(letter)


class SmtpMailer:
    """Sends each letter in a task of its own: three tries of 10 s at most, four connections, 500 letters under way.

    What is more is lost, and so is what cannot be finished when the process ends; both are logged and counted.
    """

    is_configured = True

    def __init__(
        self,
        url: str,
        sender: str,
        *,
        tls: ssl.SSLContext | None = None,
        pauses: Sequence[float] = PAUSES_SECONDS,
        attempt_seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._tls = tls
        self._pauses = pauses
        self._attempt_seconds = attempt_seconds
        self._connections = asyncio.Semaphore(CONNECTIONS_MAX)
        self._open: set[asyncio.Task[None]] = set()

    def post(self, letter: Letter) -> None:
        if len(self._open) >= OPEN_MAX:
            _note_loss("too_many")
            return
        task = asyncio.create_task(self._deliver(letter))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def close(self) -> None:
        """Let what is under way finish, within bounds."""
        if not self._open:
            return
        _, unfinished = await asyncio.wait(self._open, timeout=CLOSING_SECONDS)
        for task in unfinished:
            task.cancel()
            _note_loss("process_ended")

    async def _deliver(self, letter: Letter) -> None:
        for pause in itertools.chain(self._pauses, (None,)):
            try:
                await self._try(letter)
            except _TROUBLE as error:
                if pause is None or _is_final(error):
                    _note_loss(type(error).__name__)
                    return
                await asyncio.sleep(pause)
            else:
                _letters.labels("sent").inc()
                return

    async def _try(self, letter: Letter) -> None:
        """One attempt. The bound is on the whole of it, because a server may answer each command just in time."""
        message = _message(letter, self._sender)
        async with self._connections, asyncio.timeout(self._attempt_seconds):
            await aiosmtplib.send(
                message,
                sender=parseaddr(self._sender)[1],
                recipients=[_addressee(letter.to).addr_spec],
                hostname=self._url.hostname,
                port=self._url.port,
                username=_unquoted(self._url.username),
                password=_unquoted(self._url.password),
                use_tls=self._url.scheme == "smtps",
                start_tls=self._url.scheme == "smtp",
                tls_context=self._tls,
                timeout=self._attempt_seconds,
            )


def mailer_of(settings: Settings) -> Mailer:
    """The adapter that the settings choose."""
    if settings.smtp_url is None or settings.mail_from is None or settings.mail != "smtp":
        return NoMailer()
    return SmtpMailer(settings.smtp_url.get_secret_value(), settings.mail_from)


def _message(letter: Letter, sender: str) -> EmailMessage:
    """The letter with its headers. Whatever blanks a subject has, it stays one line."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = _addressee(letter.to)
    message["Subject"] = " ".join(letter.subject.split())
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
    message.set_content(letter.text)
    return message


def _addressee(email: str) -> Address:
    """One address, whatever characters it has: none may make it two, or another's. Raises ValueError."""
    name, _, domain = email.rpartition("@")
    host = domain.encode("idna").decode()
    if not _HOST.fullmatch(host):
        raise ValueError("no host has this name")
    return Address(username=name, domain=host)


def _unquoted(text: str | None) -> str | None:
    return unquote(text) if text else None


def _is_final(error: BaseException) -> bool:
    """Whether the server has refused the letter for good, or will never be able to take it."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(one.code >= REFUSED_FOR_GOOD for one in error.recipients)
    if isinstance(error, SMTPResponseException):
        return error.code >= REFUSED_FOR_GOOD
    return isinstance(error, (MessageError, SMTPNotSupported, ValueError))


def _note_loss(why: str) -> None:
    """Neither the address nor the server's words, which may repeat it."""
    _letters.labels("lost").inc()
    _log.warning("mail.lost", why=why)
