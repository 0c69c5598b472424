"""The door in front of the store: what was signed goes through, and each rule that is broken has its answer."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from google.api_core.exceptions import BadRequest
from google.cloud.storage import _signing
from signing import BODY, Signer, Upload, another_key, credentials

from testkit.cloud import Cloud

Spoil = Callable[[Upload], None]
HOUR = timedelta(hours=1)
MIB = 1024 * 1024


def code_of(answer: httpx.Response) -> str:
    return answer.text.partition("<Code>")[2].partition("</Code>")[0]


def dripping(content: bytes) -> Iterator[bytes]:
    """A body whose length nobody tells."""
    for byte in content:
        yield bytes([byte])


async def test_an_upload_is_stored_with_its_type_and_read_back_by_a_signed_link(
    signer: Signer, http: httpx.AsyncClient
) -> None:
    blob = signer.blob()
    stored = await http.request(**signer.upload(blob).request)
    read = await http.get(signer.sign(blob, "GET"))
    assert (stored.status_code, read.status_code) == (200, 200)
    assert (read.content, read.headers["Content-Type"]) == (BODY, "image/png")


def with_other_byte(upload: Upload) -> None:
    upload.url = upload.url[:-1] + ("0" if upload.url[-1] != "0" else "1")


def with_other_key(upload: Upload) -> None:
    upload.url = upload.url.replace("/product/", "/license_doc/")


def with_other_bucket(upload: Upload) -> None:
    upload.url = upload.url.replace("-private/", "-public/")


def with_more_time(upload: Upload) -> None:
    upload.url = upload.url.replace("X-Goog-Expires=900", "X-Goog-Expires=9000")


def with_other_query(upload: Upload) -> None:
    upload.url += "&generation=1"


def by_somebody_else(upload: Upload) -> None:
    upload.url = upload.url.replace("Credential=media%40", "Credential=else%40")


def without_algorithm(upload: Upload) -> None:
    upload.url = upload.url.replace("GOOG4-RSA-SHA256", "GOOG4-HMAC-SHA256")


def without_signature(upload: Upload) -> None:
    upload.url = upload.url.partition("?")[0]


def posted(upload: Upload) -> None:
    upload.method = "POST"


def as_jpeg(upload: Upload) -> None:
    upload.headers["Content-Type"] = "image/jpeg"


def without_type(upload: Upload) -> None:
    del upload.headers["Content-Type"]


def with_wider_range(upload: Upload) -> None:
    upload.headers["x-goog-content-length-range"] = f"1,{len(BODY) + 1}"


def without_range(upload: Upload) -> None:
    del upload.headers["x-goog-content-length-range"]


def without_condition(upload: Upload) -> None:
    del upload.headers["x-goog-if-generation-match"]


def with_unsigned_header(upload: Upload) -> None:
    upload.more = {"x-goog-acl": "public-read"}


def one_byte_more(upload: Upload) -> None:
    upload.content = BODY + b"\0"


def one_byte_more_dripping(upload: Upload) -> None:
    upload.content = dripping(BODY + b"\0")


def empty(upload: Upload) -> None:
    upload.content = b""


SPOILT: list[tuple[Spoil, int, str]] = [
    (with_other_byte, 403, "SignatureDoesNotMatch"),
    (with_other_key, 403, "SignatureDoesNotMatch"),
    (with_other_bucket, 403, "SignatureDoesNotMatch"),
    (with_more_time, 403, "SignatureDoesNotMatch"),
    (with_other_query, 403, "SignatureDoesNotMatch"),
    (posted, 403, "SignatureDoesNotMatch"),
    (as_jpeg, 403, "SignatureDoesNotMatch"),
    (with_wider_range, 403, "SignatureDoesNotMatch"),
    (by_somebody_else, 403, "AccessDenied"),
    (without_signature, 403, "AccessDenied"),
    (without_algorithm, 400, "AuthorizationQueryParametersError"),
    (without_type, 400, "MalformedSecurityHeader"),
    (without_range, 400, "MalformedSecurityHeader"),
    (without_condition, 400, "MalformedSecurityHeader"),
    (with_unsigned_header, 400, "MalformedSecurityHeader"),
    (one_byte_more, 400, "EntityTooLarge"),
    (empty, 400, "EntityTooSmall"),
]


@pytest.mark.plant("headers that nobody signed")
@pytest.mark.parametrize(("spoil", "status", "code"), SPOILT, ids=lambda value: getattr(value, "__name__", ""))
async def test_an_upload_that_breaks_a_rule_is_refused_and_nothing_is_stored(
    signer: Signer, http: httpx.AsyncClient, spoil: Spoil, status: int, code: str
) -> None:
    upload = signer.upload(signer.blob())
    spoil(upload)
    answer = await http.request(**upload.request)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert signer.names() == []


def test_a_body_of_untold_length_is_counted(signer: Signer) -> None:
    blob = signer.blob()
    upload = signer.upload(blob)
    one_byte_more_dripping(upload)
    refused = httpx.request(**upload.request)
    upload.content = dripping(BODY)
    assert (refused.status_code, code_of(refused)) == (400, "EntityTooLarge")
    assert httpx.request(**upload.request).status_code == 200


async def test_a_key_that_is_not_the_accounts_signs_nothing(cloud: Cloud, http: httpx.AsyncClient) -> None:
    forger = Signer(cloud, credentials(cloud.key_file, private_key=another_key()))
    answer = await http.request(**forger.upload(forger.blob()).request)
    assert (answer.status_code, code_of(answer)) == (403, "SignatureDoesNotMatch")


@pytest.mark.plant("signed links without an end")
@pytest.mark.parametrize(
    ("signed", "status", "code"), [(-HOUR, 400, "ExpiredToken"), (HOUR, 403, "AccessDenied")], ids=["before", "after"]
)
async def test_a_link_is_good_for_its_minutes_only(
    signer: Signer,
    http: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    signed: timedelta,
    status: int,
    code: str,
) -> None:
    monkeypatch.setattr(_signing, "_NOW", lambda _: datetime.now(UTC) + signed)
    blob = signer.blob()
    answers = [await http.request(**signer.upload(blob).request), await http.get(signer.sign(blob, "GET"))]
    assert {(answer.status_code, code_of(answer)) for answer in answers} == {(status, code)}


@pytest.mark.plant("a second put that overwrites")
async def test_a_second_put_is_refused_and_the_first_stays(signer: Signer, http: httpx.AsyncClient) -> None:
    blob = signer.blob()
    upload = signer.upload(blob)
    await http.request(**upload.request)
    upload.content = BODY[:4]
    answer = await http.request(**upload.request)
    assert (answer.status_code, code_of(answer)) == (412, "PreconditionFailed")
    assert (await http.get(signer.sign(blob, "GET"))).content == BODY


async def test_of_many_puts_at_once_one_is_stored(signer: Signer, http: httpx.AsyncClient) -> None:
    upload = signer.upload(signer.blob())
    answers = await asyncio.gather(*(http.request(**upload.request) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


async def test_a_body_that_breaks_off_leaves_nothing(signer: Signer, http: httpx.AsyncClient) -> None:
    blob = signer.blob()
    upload = signer.upload(blob)
    url = httpx.URL(upload.url)
    head = [f"PUT {url.raw_path.decode()} HTTP/1.1", f"Host: {url.netloc.decode()}", f"Content-Length: {len(BODY)}"]
    head += [f"{name}: {value}" for name, value in upload.headers.items()]
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write("\r\n".join([*head, "", ""]).encode() + BODY[:4])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await http.request(**upload.request)).status_code == 200


async def test_more_than_the_store_takes_is_refused_whatever_was_signed(
    signer: Signer, http: httpx.AsyncClient
) -> None:
    size = 21 * MIB
    upload = signer.upload(signer.blob(), size=size)
    upload.content = bytes(size)
    answer = await http.request(**upload.request)
    assert (answer.status_code, code_of(answer)) == (400, "EntityTooLarge")


async def test_a_private_object_is_read_by_a_signed_link_only(signer: Signer, http: httpx.AsyncClient) -> None:
    blob = signer.blob()
    await http.request(**signer.upload(blob).request)
    link = signer.sign(blob, "GET")
    bare = link.partition("?")[0]
    answers = [await http.get(bare), await http.head(bare), await http.delete(bare), await http.delete(link)]
    answers.append(await http.get(bare.rpartition(blob.name)[0]))
    assert {answer.status_code for answer in answers} == {403}
    assert (await http.head(signer.sign(blob, "HEAD"))).headers["Content-Length"] == str(len(BODY))


async def test_a_public_object_is_read_by_anybody_and_written_by_nobody(
    signer: Signer, cloud: Cloud, http: httpx.AsyncClient
) -> None:
    blob = signer.blob(bucket=cloud.public_bucket)
    await http.request(**signer.upload(blob).request)
    bare = signer.sign(blob, "GET").partition("?")[0]
    read = await http.get(bare)
    assert (read.status_code, read.content, read.headers["Content-Type"]) == (200, BODY, "image/png")
    assert [(await http.request(method, bare)).status_code for method in ("PUT", "DELETE", "POST")] == [403] * 3


async def test_a_signed_link_may_name_the_file_it_is_saved_as(signer: Signer, http: httpx.AsyncClient) -> None:
    blob = signer.blob()
    await http.request(**signer.upload(blob).request)
    wish = 'attachment; filename="licence.png"'
    read = await http.get(signer.sign(blob, "GET", response_disposition=wish))
    assert read.headers["Content-Disposition"] == wish


async def test_an_object_that_is_not_there_is_told_so(signer: Signer, http: httpx.AsyncClient) -> None:
    answer = await http.get(signer.sign(signer.blob(), "GET"))
    assert (answer.status_code, code_of(answer)) == (404, "NoSuchKey")


@pytest.mark.parametrize("key", ["..%2foutside.png", "a%2f..%2f..%2foutside.png", "a//b.png", "a%00.png", "a" * 1_025])
async def test_no_name_leads_out_of_its_bucket(cloud: Cloud, http: httpx.AsyncClient, key: str) -> None:
    answer = await http.get(f"{cloud.storage_url}/{cloud.public_bucket}/{key}")
    assert (answer.status_code, code_of(answer)) == (400, "InvalidArgument")


def test_no_name_leads_out_of_its_bucket_for_the_account_either(signer: Signer) -> None:
    with pytest.raises(BadRequest, match="Invalid object name"):
        signer.blob("../outside.png").upload_from_string(BODY)


async def test_a_refusal_tells_what_was_read_so_that_a_signer_finds_his_mistake(
    signer: Signer, http: httpx.AsyncClient
) -> None:
    upload = signer.upload(signer.blob())
    as_jpeg(upload)
    assert "content-type:image/jpeg" in (await http.request(**upload.request)).text
