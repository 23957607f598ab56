"""What a file's first bytes are called on the page is what Python calls them."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lesionflow.images.signatures import _OTHERS, HEAD, sniff, unrecognised, was_sent_as_text
from tests.images.test_signatures import CLASS, INSTANCE, META, MODALITY, elements
from tests.webapp.conftest import needs_browser, scripts

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_browser
# How files begin: those of images, and of what has their names.
IMAGES = (
    b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"GIF89a", b"II*\0", b"MM\0+", b"II\xbc\x01",
    b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0", b"\xff\x4f\xff\x51\0", b"\0\0\0\x0cJXL \r\n\x87\n", b"\xff\x0a",
    b"RIFF\0\0\0\0WEBPVP8 ", b"BM" + bytes(12) + b"\x28\0\0\0", bytes(128) + b"DICM", b"DICM\2\0\0\0",
    b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
)  # fmt: skip
OTHERS = (
    b"<!DOCTYPE html>", b"\n <html lang=en>", b"<headline>", b"<?xml version='1.0'?>\n<Error>", b'{ "detail": 1}',
    b"version https://git-lfs.github.com/spec/v1", b"/9j/4AAQSkZJRg", b"data:image/png;base64,iVBORw0KGgo",
    b"Received: from", b"Subject: mole", b"\x1f\x8b\x08", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"P6\n4 4", b"qoif\0",
    b"\0\0\2\0", b"<svg width='4'/>", b"<?xml version='1.0'?>\n<svg/>", b"%PDF-1.7", b"8BPS\0\1",
    b"FUJIFILMCCD-RAW 0201", b"\0\0\0\x18ftypcrx ", b"\0\0\0\x18ftypisom", b"\0\0\0\x18ftyp\n\n\n\n", b"words",
    b"\xef\xbb\xbf<!-- moved -->", "<html>".encode("utf-16"), b"<p>Sorry</p>", b"403 Forbidden", b"[ {}]",
    b"Not Found", b"../.git/annex/objects/ab/c", b"outs:\n- md5: 1", b"L\0\0\0\1\x14\2\0",
    b"[InternetShortcut]\r\nURL=x", b"XSym\n0012", b"<?xml version='1.0'?><!DOCTYPE plist", b"\0\5\x16\7\0\2",
    b"X-Mailer: x", b"From a@b.example", b"--=_b\r\nContent-Type: x", b"begin 644 mole.jpg",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{\\rtf1", b"Salted__1234", b"-----BEGIN PGP MESSAGE-----", b"PK\5\6",
    b"MSCF\0", b"x\x9c\1", b"n" * 257 + b"ustar", b"PAR1\x15", b"SQLite format 3\0", b"\x93NUMPY", b"MATLAB 5.0",
    b"PF\n4 4", b"icns\0", b"\n\5\1\x08", b"FLIF31", b"#define mole_width 4",
    b"<?xml version='1.0'?><!-- x --><svg/>", b"IIU\0", b"\0MRM", b"\0\0\0\x08moov", b"RIFF\0\0\0\0WAVEfmt ",
    b"\x1aE\xdf\xa3", b"ID3\4", b"FFD8FFE000104A464946", b"b'\\x89", b"data:image/jpeg;base64,_9j_4AAQSkZJRg",
    b"0x89504e470d0a1a0a", b"../images/mole 1.JPG\n", b"C:\\moles\\a.png", b"\1\2\3\xff\xd8\xff\xe0",
    b"\1\2\3\xff\xd8\xff\x01", b"\0\1\x89PNG\r\n\x1a\n", b"BM begins this text", b"", b"\0", b"\0" * 15, b"\0" * 40,
    b"\xff" * 600, b" " * 16, b"\0" * 20 + b"pixels",
)  # fmt: skip


def test_beginnings_are_told_as_in_python(blank: Chrome) -> None:
    dicom = [(CLASS, INSTANCE, MODALITY), (INSTANCE, CLASS, MODALITY), META, (CLASS, INSTANCE)]
    files = [*IMAGES, *OTHERS]
    files += [elements(*each, order=order, explicit=told) for each in dicom for order in "<>" for told in (True, False)]
    files += [each + bytes(50) for each in files[-16:]]
    files.append(elements(CLASS, (0x0008, 0x0018, b"UI", b"1" * 600)))
    for whole in IMAGES:
        files += [whole[:2], whole[:3], whole[1:], b"ok\r\n" + whole, b"\xef\xbb\xbf" + whole, b"\xa0" + whole]
        files += [whole.replace(b"\r\n", b"\n"), whole.replace(b"\n", b"\r\n"), whole.decode("latin-1").encode()]
        files += [whole.decode(errors="replace").encode(), bytes(byte & 0x7F for byte in whole)]
    program = scripts("signatures.js") + (
        "return arguments[0].map((text) => Uint8Array.fromBase64(text)).map((data) => {"
        "const kind = sniff(data.subarray(0, HEAD)); return [kind, kind === null ? unrecognised(data) : null]; });"
    )
    found = blank.execute_script(program, [base64.b64encode(each).decode() for each in files])
    assert blank.execute_script(scripts("signatures.js") + "return OTHERS.map(([, told]) => told)") == [
        told for _, told in _OTHERS
    ]
    for data, (kind, why) in zip(files, found, strict=True):
        expected = sniff(data[:HEAD])
        assert (kind, why and tuple(why)) == (expected, None if expected else unrecognised(data)), data


def test_every_explanation_is_told_in_each_language(blank: Chrome) -> None:
    details = sorted({unrecognised(each)[1] for each in (*OTHERS, *IMAGES[1:2], b"\xff\xd8", b"a \xff\xd8\xff")})
    program = scripts("messages.js") + (
        "return Object.keys(MESSAGES).map((each) => { language = each;"
        "return arguments[0].map((detail) => failureSaid({ reason: 'damaged', detail }).replace(/^.*?: /, '')); });"
    )
    for told in zip(*blank.execute_script(program, details), strict=True):
        assert len({*told}) == 3, told


def test_a_bmp_that_was_sent_as_text_is_told_from_others(blank: Chrome) -> None:
    made = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).save(made, "BMP")
    files = [made.getvalue(), made.getvalue().replace(b"\n", b"\r\n"), b"words\r\n" * 90, b"\0\r\n" * 90]
    assert [was_sent_as_text(each) for each in files] == [False, True, False, False]
    program = scripts("signatures.js") + "return wasSentAsText(Uint8Array.fromBase64(arguments[0]));"
    for data in files:
        assert blank.execute_script(program, base64.b64encode(data).decode()) == was_sent_as_text(data)
