"""Letters reach a real mail server or are given up within bounds, and nobody waits for either (docs/adr/0009)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError

from chassis.telemetry.metrics import rendered
from identity.clients.mail import OPEN_MAX, NoMailer, RecordingMailer, SmtpMailer, mailer_of
from identity.domain.letters import Letter
from identity.settings import Settings
from testkit.postoffice import HOST, PostOffice, listening, post_office

LETTER = Letter("sam@example.net", "Your invitation", "Take this: one-time-canary\n")
SENDER = "Packhouse <no-reply@packhouse.example>"


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as office:
        yield office


def mailer_to(port: int, scheme: str = "smtp+plain", **bounds: Any) -> SmtpMailer:
    return SmtpMailer(f"{scheme}://{HOST}:{port}", SENDER, **{"pauses": (0, 0), **bounds})


def _lost() -> float:
    lines = rendered().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith('letters_total{outcome="lost"}'))


async def test_a_letter_arrives_as_it_was_written(office: PostOffice) -> None:
    mailer = mailer_to(office.port)
    mailer.post(LETTER)
    await mailer.close()
    (taken,) = office.taken
    message = taken.message
    assert (taken.sender, taken.recipients) == ("no-reply@packhouse.example", [LETTER.to])
    assert (message["From"], message["To"], message["Subject"]) == (SENDER, LETTER.to, LETTER.subject)
    assert message.get_content().splitlines() == LETTER.text.splitlines()


async def test_no_text_becomes_a_header(office: PostOffice) -> None:
    mailer = mailer_to(office.port)
    mailer.post(Letter(LETTER.to, "Join Leaf\nBcc: kim@example.net", "Bcc: text"))
    await mailer.close()
    message = office.taken[0].message
    assert (message["Subject"], message["Bcc"]) == ("Join Leaf Bcc: kim@example.net", None)


@pytest.mark.parametrize(
    ("to", "reader"),
    [
        ("sam,kim@example.net", '"sam,kim"@example.net'),
        ("sam<kim>@example.net", '"sam<kim>"@example.net'),
        ("sam@exämple.net", "sam@xn--exmple-cua.net"),
        ("sam@example>.net", None),
        ("sam@example,kim.net", None),
    ],
)
async def test_a_letter_goes_to_its_reader_and_to_nobody_else(office: PostOffice, to: str, reader: str | None) -> None:
    mailer = mailer_to(office.port)
    mailer.post(Letter(to, "Hello", "Hello"))
    await mailer.close()
    assert [(one.recipients, len(one.message["To"].addresses)) for one in office.taken] == (
        [([reader], 1)] if reader else []
    )


@pytest.mark.parametrize(
    ("says", "tries", "arrives"),
    [
        (["451 come back later"], 2, True),
        (["451 come back later"] * 2, 3, True),
        (["451 come back later"] * 3, 3, False),
        (["550 nobody of that name"], 1, False),
    ],
)
async def test_a_busy_server_is_asked_three_times_and_its_last_word_is_taken(
    office: PostOffice, says: list[str], tries: int, arrives: bool
) -> None:
    office.says, before = [*says], _lost()
    mailer = mailer_to(office.port)
    mailer.post(LETTER)
    await mailer.close()
    assert (office.tries, len(office.taken), _lost() - before) == (tries, int(arrives), int(not arrives))


async def test_a_silent_server_holds_up_nobody() -> None:
    before, loop = _lost(), asyncio.get_running_loop()
    async with listening(asyncio.Protocol) as port:
        mailer = mailer_to(port, pauses=(), attempt_seconds=0.2)
        began = loop.time()
        mailer.post(LETTER)
        assert loop.time() - began < 0.1
        await mailer.close()
        assert loop.time() - began < 2
    assert _lost() - before == 1


async def test_a_server_without_tls_gets_no_letter(office: PostOffice) -> None:
    before = _lost()
    for scheme in ("smtp", "smtps"):
        mailer = mailer_to(office.port, scheme, pauses=(), attempt_seconds=1)
        mailer.post(LETTER)
        await mailer.close()
    assert (office.tries, _lost() - before) == (0, 2)


async def test_more_letters_than_can_be_under_way_are_given_up_at_once() -> None:
    before = _lost()
    async with listening(asyncio.Protocol) as port:
        mailer = mailer_to(port, pauses=(), attempt_seconds=0.1)
        for _ in range(OPEN_MAX + 3):
            mailer.post(LETTER)
        assert _lost() - before == 3
        await mailer.close()


async def test_neither_address_nor_text_is_ever_logged(office: PostOffice, capfd: pytest.CaptureFixture[str]) -> None:
    office.says = ["550 sam@example.net has one-time-canary"]
    mailer = mailer_to(office.port)
    mailer.post(LETTER)
    await mailer.close()
    output = "".join(capfd.readouterr())
    assert "mail.lost" in output
    assert [word for word in ("sam@example.net", "one-time-canary") if word in output] == []


def settings(**chosen: Any) -> Settings:
    base = dict.fromkeys(("database_url", "relay_database_url", "redis_url", "rabbitmq_url"), "x://localhost")
    files = dict.fromkeys(("key_file", "trust_file", "access_key_file"), "a.json") | {"media_url": "http://localhost"}
    return Settings(**{**base, **files, "hmac_secret": "b7d3f0c2a49e5816b7d3f0c2a49e5816", **chosen})


SMTP_CHOSEN = {"mail": "smtp", "smtp_url": "smtps://user:pw@mail.example", "mail_from": SENDER}


def test_settings_choose_the_adapter() -> None:
    assert isinstance(mailer_of(settings(environment="test")), NoMailer)
    assert isinstance(mailer_of(settings(mail="none")), NoMailer)
    assert isinstance(mailer_of(settings(**SMTP_CHOSEN)), SmtpMailer)
    assert not NoMailer().is_configured
    assert RecordingMailer().is_configured


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"mail": None}, "mail must be none or smtp in production"),
        ({"smtp_url": None}, "smtp_url and mail_from are required"),
        ({"mail_from": None}, "smtp_url and mail_from are required"),
        ({"smtp_url": "http://mail.example"}, "smtp_url must begin with"),
        ({"smtp_url": "smtp+plain://mail.example"}, "smtp_url must use TLS"),
    ],
)
def test_half_a_mailer_is_refused_at_start(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        settings(**{**SMTP_CHOSEN, **wrong})
