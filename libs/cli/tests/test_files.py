"""Files made in code are files to whoever reads them strictly."""

import re
import struct
import zlib

from packhouse.files import document, picture


def chunks(data: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG by their kind; every checksum must be right."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    found, place = {}, 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length) == (zlib.crc32(kind + content),)
        found[kind] = content
        place += 12 + length
    return found


def test_a_picture_is_a_png_whose_rows_are_all_there() -> None:
    found = chunks(picture("Redbud"))

    width, height, depth, colour = struct.unpack_from(">IIBB", found[b"IHDR"])
    assert (width, height, depth, colour) == (32, 32, 8, 2)
    assert len(zlib.decompress(found[b"IDAT"])) == height * (1 + 3 * width)
    assert list(found) == [b"IHDR", b"IDAT", b"IEND"]


def test_two_names_have_two_pictures_and_one_name_has_one() -> None:
    assert picture("Redbud") == picture("Redbud") != picture("Prairie")


def test_a_document_is_a_pdf_whose_table_finds_every_object() -> None:
    page = document("State of Oklahoma", "Licence (renewed) \\ OMMA-1")

    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n\Z", page)[1])  # type: ignore[index]
    places = [int(place) for place in re.findall(rb"(\d{10}) 00000 n \n", page[start:])]
    assert page.startswith(b"%PDF-1.4\n")
    assert page[start:].startswith(b"xref\n0 6\n")
    assert [page[place : place + 7] for place in places] == [b"%d 0 obj" % number for number in range(1, 6)]
    assert rb"(Licence \(renewed\) \\ OMMA-1) Tj" in page
    length = int(re.search(rb"<</Length (\d+)>>", page)[1])  # type: ignore[index]
    assert page.partition(b"stream\n")[2][length:].startswith(b"\nendstream")
