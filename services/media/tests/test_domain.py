"""Rules, without anything around them."""

from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.refusal import Invalid
from media.domain.files import PIXELS_MAX, Arrived, Fault, fault_of, mime_of
from media.domain.media import (
    EXTENSIONS,
    PUBLIC,
    Kind,
    Mime,
    ObjectKey,
    require_mime_of_kind,
    require_plain_file_name,
)
from media.domain.notices import Malformed, read_notice

from .samples import GOOD, HTML, SVG, gif, jpeg, png, webp

IMAGES = {"image/png", "image/jpeg", "image/webp", "image/gif"}
SHOWN = IMAGES | {"video/mp4", "video/webm"}
PAPER = {"application/pdf"}
SPEC = {
    "product": SHOWN,
    "ads": SHOWN,
    "pdf": PAPER,
    "coa": PAPER,
    "manifest": PAPER,
    "license_doc": PAPER | IMAGES,
    "user": IMAGES,
    "store": IMAGES,
    "other": SHOWN | PAPER,
}
"""Spec 3.1, as it is written."""


def fault(data: bytes, mime: Mime, *, size: int | None = None, declared: str | None = None) -> Fault | None:
    arrived = Arrived(len(data), declared or mime.value, data)
    return fault_of(arrived, mime=mime, size_bytes=len(data) if size is None else size)


@pytest.mark.parametrize(("kind", "mime"), list(product(Kind, Mime)))
def test_each_kind_takes_its_types_and_no_other(kind: Kind, mime: Mime) -> None:
    if mime.value in SPEC[kind.value]:
        require_mime_of_kind(kind, mime)
    else:
        with pytest.raises(Invalid):
            require_mime_of_kind(kind, mime)


def test_documents_are_never_public() -> None:
    assert {kind.value for kind in PUBLIC} == {"product", "ads", "store", "user"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b.png", "..\\x", ".", "..", "/etc/passwd"])
def test_a_path_is_no_file_name(name: str) -> None:
    with pytest.raises(Invalid):
        require_plain_file_name(name)


@pytest.mark.parametrize("name", ["scan.png", "été 50%.pdf", "..png", "a.b.c"])
def test_a_name_may_be_anything_else(name: str) -> None:
    require_plain_file_name(name)


@given(st.uuids(), st.sampled_from(Kind), st.uuids(), st.sampled_from(Mime))
def test_a_key_is_read_as_it_was_made(store: object, kind: Kind, media: object, mime: Mime) -> None:
    key = ObjectKey.of(store, kind, media, mime)  # type: ignore[arg-type]

    assert ObjectKey.parse(str(key)) == key
    assert str(key) == f"{store}/{kind.value}/{media}.{EXTENSIONS[mime]}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "../../etc/passwd",
        "6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b11/product/../6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b11.png",
        "6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b11/secret/6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b11.png",
        "6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b11/product/6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b11.svg",
        "6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b11/product/6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b11.png\n",
    ],
)
def test_another_shape_is_no_key(text: str) -> None:
    assert ObjectKey.parse(text) is None


@pytest.mark.parametrize("mime", list(Mime))
def test_a_file_of_each_type_is_what_it_says(mime: Mime) -> None:
    assert mime_of(GOOD[mime]) is mime
    assert fault(GOOD[mime], mime) is None


@pytest.mark.parametrize(("data", "said"), [(data, other) for data in (SVG, HTML, b"", b"MZ") for other in Mime])
def test_what_is_none_of_ours_is_refused_under_every_name(data: bytes, said: Mime) -> None:
    assert mime_of(data) is None
    assert fault(data, said) is Fault.CONTENT


@pytest.mark.parametrize(("real", "said"), [(a, b) for a, b in product(Mime, Mime) if a is not b])
def test_a_file_is_not_taken_for_another_type(real: Mime, said: Mime) -> None:
    assert fault(GOOD[real], said) is Fault.CONTENT


@pytest.mark.parametrize("mime", list(Mime))
@pytest.mark.parametrize("markup", [SVG, HTML, b"<SCRIPT src=x>", b"< html>", b"<?php echo 1"])
def test_a_file_that_is_also_a_page_is_refused(mime: Mime, markup: bytes) -> None:
    before, behind = markup + GOOD[mime], GOOD[mime] + markup

    assert fault(before, mime) is Fault.CONTENT
    assert fault(behind, mime) is Fault.MARKUP


def test_size_and_type_are_those_that_were_announced() -> None:
    data = GOOD[Mime.PNG]

    assert fault(data + b"\0", Mime.PNG, size=len(data)) is Fault.SIZE
    assert fault(data, Mime.PNG, size=len(data) + 1) is Fault.SIZE
    assert fault(data, Mime.PNG, declared="text/html") is Fault.DECLARED_TYPE
    assert fault_of(Arrived(20_971_521, "image/png", data), mime=Mime.PNG, size_bytes=20_971_521) is Fault.SIZE


@pytest.mark.parametrize("make", [png, jpeg, gif, webp])
def test_a_picture_of_more_pixels_than_anybody_can_show_is_refused(make: object) -> None:
    side = 16_000 if make is not webp else 16_001
    data = make(side, side)  # type: ignore[operator]
    mime = mime_of(data)

    assert mime is not None
    assert side * side > PIXELS_MAX
    assert fault(data, mime) is Fault.PIXELS
    assert fault(make(4_000, 3_000), mime) is None  # type: ignore[operator]


@pytest.mark.parametrize("make", [png, jpeg, gif, webp])
@pytest.mark.parametrize("measures", [(0, 1), (1, 0), (0, 0)])
def test_a_picture_of_no_pixels_is_refused(make: object, measures: tuple[int, int]) -> None:
    data = make(*measures)  # type: ignore[operator]
    mime = mime_of(data)

    assert mime is not None
    assert fault(data, mime) is Fault.PIXELS


@pytest.mark.parametrize(
    "script", [b"GIF89a=1;alert(1)//" + bytes(32), b"GIF89a/*" + bytes(32) + b"*/=1;alert(1)", b"GIF89a", gif()[:13]]
)
def test_what_only_begins_like_a_gif_is_none(script: bytes) -> None:
    assert mime_of(script) is None
    assert fault(script, Mime.GIF) is Fault.CONTENT


def test_a_jpeg_that_never_tells_its_measures_is_refused() -> None:
    endless = b"\xff\xd8" + (b"\xff\xe1\xff\xff" + bytes(65_533)) * 17

    assert fault(endless[:1_048_576], Mime.JPEG) is Fault.PIXELS


@given(st.binary(max_size=200))
def test_no_bytes_break_the_look(data: bytes) -> None:
    for mime in Mime:
        fault(data, mime)
        fault(GOOD[mime][:20] + data, mime)


@given(st.dictionaries(st.sampled_from(["eventType", "payloadFormat", "bucketId", "objectId"]), st.text()), st.binary())
def test_no_message_breaks_the_reader(attributes: dict[str, str], data: bytes) -> None:
    with suppress(Malformed):
        assert read_notice(attributes, data) is None
