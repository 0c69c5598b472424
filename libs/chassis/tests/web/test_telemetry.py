"""Logs, traces and metrics: one trace through every process, and nothing about people anywhere."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.inbox import Consumer
from chassis.outbox import Relay
from chassis.telemetry import continue_trace, counter, current_traceparent, gauge, get_logger, span, traces
from chassis.telemetry.redaction import REDACTED, redacted, scrubbed

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def lines(capsys: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


async def told(capsys: Any, event: str, **fields: str) -> dict[str, Any]:
    """The line of this event, as soon as it is written."""
    for _ in range(200):
        for line in lines(capsys):
            if line["event"] == event and fields.items() <= line.items():
                return line
        await asyncio.sleep(0.05)
    raise AssertionError(f"nobody told {event}")


async def test_start_and_complete_tell_pattern_status_and_ids(house: Any, capsys: Any) -> None:
    jar_id = await house.jar()
    capsys.readouterr()

    await house.ask("GET", f"/api/v1/jars/{jar_id}", request_id="r-7", headers={"traceparent": PARENT})

    start, complete = lines(capsys)
    assert (start["event"], complete["event"]) == ("request.start", "request.complete")
    for line in (start, complete):
        assert (line["method"], line["route"], line["request_id"]) == ("GET", "/api/v1/jars/{jar_id}", "r-7")
        assert (line["user_id"], line["store_id"]) == (str(house.user_id), str(house.store_id))
        assert (line["service"], line["trace_id"]) == ("pantry", PARENT.split("-")[1])
    assert complete["status"] == 200
    assert 0 < complete["duration_ms"] < 5000


async def test_a_probe_leaves_no_line(house: Any, capsys: Any) -> None:
    await house.http.get("/health/live")

    assert lines(capsys) == []


async def test_one_trace_goes_from_the_answer_through_outbox_broker_and_consumer(house: Any, capsys: Any) -> None:
    jar_id, stop = await house.jar(), asyncio.Event()
    consuming = asyncio.create_task(Consumer(house.floor).run(stop))
    headers = {"traceparent": PARENT}
    await told(capsys, "consumer.started")

    answer = await house.ask("POST", f"/api/v1/jars/{jar_id}/open", key="k", request_id="r-9", headers=headers)
    await Relay(house.floor).drain()
    heard = await told(capsys, "jar.heard", jar_id=jar_id)
    stop.set()
    await consuming

    trace_id = PARENT.split("-")[1]
    assert answer.headers["traceresponse"].split("-")[1] == trace_id
    assert (heard["trace_id"], heard["request_id"]) == (trace_id, "r-9")
    assert heard["span_id"] != answer.headers["traceresponse"].split("-")[2]


async def test_spans_are_exported_with_their_route_and_without_private_attributes(house: Any) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces.use_provider(provider)

    answer = await house.ask("GET", f"/api/v1/jars/{uuid4()}", headers={"traceparent": PARENT})
    with continue_trace(PARENT, "inbox.apply", email="joe@example.org"), span("inner"):
        inside = current_traceparent()

    asked, served, inner, outer = exporter.get_finished_spans()
    assert (asked.name, asked.parent.span_id) == ("postgresql", served.context.span_id)
    assert answer.status_code == 404
    assert served.name == "GET /api/v1/jars/{jar_id}"
    assert served.attributes["http.response.status_code"] == 404
    assert {one.context.trace_id for one in (asked, served, inner, outer)} == {int(PARENT.split("-")[1], 16)}
    assert outer.attributes == {"email": REDACTED}
    assert inside.split("-")[2] == f"{inner.context.span_id:016x}"
    assert inner.parent.span_id == outer.context.span_id


@pytest.mark.parametrize("broken", [None, "", "garbage", "00-" + "0" * 32 + "-b7ad6b7169203331-01"])
def test_a_missing_or_broken_traceparent_starts_a_trace_of_its_own(broken: str | None) -> None:
    with span("outer"), continue_trace(broken, "apply"):
        inside = current_traceparent()

    assert inside is not None
    assert inside.split("-")[1].strip("0")


PRIVATE_KEYS = [
    "password", "new_password", "passwordHash", "access_token", "refreshToken", "X-PF-Token", "client_secret",
    "Authorization", "cookie", "set-cookie", "email", "E-Mail", "user_email", "phone", "phone_number", "address",
    "shipping_address", "line1", "first_name", "last_name", "card_number",
]  # fmt: skip


@pytest.mark.parametrize("key", PRIVATE_KEYS)
def test_private_keys_are_replaced_at_every_depth(key: str) -> None:
    value = "canary-4711"

    seen = json.dumps(redacted({key: value, "outer": {key: [value], "list": [{key: {"deep": value}}]}}))

    assert value not in seen


@given(
    local=st.from_regex(r"[a-z0-9.+_-]{1,20}", fullmatch=True),
    domain=st.from_regex(r"[a-z0-9]{1,10}\.[a-z]{2,6}", fullmatch=True),
)
def test_addresses_inside_messages_are_scrubbed(local: str, domain: str) -> None:
    text = scrubbed(f"Key (contact)=({local}@{domain}) already exists")

    assert f"{local}@{domain}" not in text
    assert "already exists" in text


def test_tokens_and_credentials_inside_messages_are_scrubbed() -> None:
    token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"

    told = scrubbed(f"GET /x Authorization: Bearer {token}; postgresql://app:hunter2@db/x; sk_live_51Habcdefgh")

    assert token not in told
    assert "hunter2" not in told
    assert "sk_live_51Habcdefgh" not in told


def test_a_stack_is_logged_without_the_people_in_its_message(house: Any, capsys: Any) -> None:
    log = get_logger("x")
    try:
        int("no mailbox joe@example.org")
    except ValueError:
        log.exception("mail.failed", attempt=2)

    [line] = lines(capsys)
    assert "no mailbox [redacted]" in line["stack"]
    assert "joe" not in line["stack"].rpartition("ValueError")[2]
    assert (line["event"], line["level"], line["attempt"]) == ("mail.failed", "error", 2)


def test_a_line_break_in_a_value_stays_inside_its_line(house: Any, capsys: Any) -> None:
    get_logger("x").info("note.kept", note='a\n{"event": "forged"}')

    [line] = lines(capsys)
    assert line["event"] == "note.kept"


def test_what_is_no_text_is_written_so_that_it_can_be_read(house: Any, capsys: Any) -> None:
    get_logger("test").info("odd", half="\ud800", thing={"id": house.user_id})

    (line,) = lines(capsys)
    assert (line["event"], line["half"]) == ("odd", "\\ud800")
    assert str(house.user_id) in line["thing"]


def test_a_metric_may_be_asked_for_twice_but_not_as_something_else() -> None:
    first = counter("pantry_asked_total", "Asked.", ("why",))

    assert counter("pantry_asked_total", "Asked.", ("why",)) is first
    with pytest.raises(ValueError, match="declared differently"):
        gauge("pantry_asked_total", "Asked.", ("why",))


async def test_a_collector_gets_spans_over_http(house: Any, settings: Any, pantry: Any) -> None:
    """The exporter runs in a thread of its own, so a plain socket server can be the collector."""
    from chassis.telemetry import configure, shut_down

    received = asyncio.get_running_loop().create_future()

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        if not received.done():
            received.set_result(head)

    collector = await asyncio.start_server(collect, "127.0.0.1", 0)
    port = collector.sockets[0].getsockname()[1]
    named = SimpleNamespace(log_level="INFO", environment="test", otlp_endpoint=f"http://127.0.0.1:{port}")
    configure(named, pantry)
    await house.ask("GET", "/api/v1/me")
    await asyncio.to_thread(shut_down)
    head = await asyncio.wait_for(received, 5)
    configure(settings, pantry)
    collector.close()

    assert head.startswith(b"POST /v1/traces HTTP/1.1")
