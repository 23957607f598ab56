"""How image files begin, and which name endings they have: content says what is an image, an ending only saves a look.

The formats listed are those that `images.decode` reads, with or without an extra, and the few that it names as
unsupported; whether a file of one of them decodes is another question.
"""

from __future__ import annotations

import base64
import codecs
import re
import struct

import numpy as np

HEAD = 512  # bytes that `sniff` looks at
# Supported formats; `docs/reference/formats.md` says what is supported of each.
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG 2000", "AVIF", "HEIF", "DICOM")

DICOM_SUFFIXES = (".dcm", ".dicom", ".dic", ".ima")
# A file with one of these endings counts as an image without being opened.
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo", ".png", ".apng", ".gif", ".webp",
    ".tif", ".tiff", ".bmp", ".dib", ".heic", ".heif", ".heics", ".heifs", ".hif", ".avif", ".avifs",
    ".jp2", ".j2k", ".jpf", ".jpx", ".jpm", ".j2c", ".jpc", ".jph", ".jhc", ".jls", ".jxl", *DICOM_SUFFIXES,
)  # fmt: skip

_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",  # with 64-bit offsets
    b"MM\x00+": "TIFF",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",  # a codestream without its box
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\xff\x0a": "JPEG XL",  # a codestream
    b"II\xbc\x01": "JPEG XR",
    b"DICM\x02\x00": "DICOM",  # the preamble was cut away
}
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes; by version of the format
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}
_AVIF_BRANDS = {b"avif", b"avis"}
_VALUE_REPRESENTATIONS = {
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"OB", b"OD", b"OF", b"OL",
    b"OV", b"OW", b"PN", b"SH", b"SL", b"SQ", b"SS", b"ST", b"SV", b"TM", b"UC", b"UI", b"UL", b"UN", b"UR", b"US",
    b"UT", b"UV",
}  # fmt: skip
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}

# What often has an image's name without being one: how it begins, what it is, and what to do.
_OTHERS = (
    (rb"<!--|<(!doctype html|html|head|body|script|meta|title|br|div|p)\b|<\?xml[^>]*>\s*<!doctype html",
     "a web page, as of a failed download; download it again"),
    (rb"(<\?xml[^>]*>\s*)?<error\b|\{\s*\"|\[\s*\{|[45]\d\d\b|access denied|forbidden|not found|unauthorized",
     "a server's message, as of a failed download; download it again"),
    (rb"version https://git-lfs", "a pointer of Git LFS; fetch the file with git lfs pull"),
    (rb"(\.\./)*(\.git)?/?annex/objects/", "a pointer of git-annex; fetch the file with git annex get"),
    (rb"outs:\s", "a pointer of DVC; fetch the file with dvc pull"),
    (rb"L\0\0\0\x01\x14\x02\0|\[(internetshortcut|desktop entry)\]|!<symlink>|IntxLNK|XSym\n|book\0\0\0\0mark|bplist00|"
     rb"(<\?xml[^>]*>\s*)?<(!doctype )?plist", "a link, or what stands for a file elsewhere; copy the file itself"),
    (rb"\0\x05\x16\x07", "what a Mac keeps beside a file (AppleDouble); copy the file itself"),
    (rb"(content-[a-z-]+|mime-version|received|return-path|delivered-to|from|date|subject|message-id|x-[a-z0-9-]+): |"
     rb"from \S+@|--\S+\s+content-", "an e-mail; save what is attached to it"),
    (rb"begin [0-7]{3} |=ybegin |\(this file must be converted with binhex", "a file packed for e-mail; unpack it"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1|\{\\rtf", "a document of Office, or an e-mail; save the image in it"),
    (rb"salted__|-----begin pgp|age-encryption\.org", "encrypted; decrypt it"),
    (rb"\x1f[\x8b\x9d\xa0]|BZh[1-9]|\xfd7zXZ\0|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18|7z\xbc\xaf\x27\x1c|PK[\3\5][\4\6]|Rar!|"
     rb"MSCF|LZIP|x[\x9c\xda]|.{257}ustar", "an archive; unpack it"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file; name its images in a table of paths, such as images.hdf5/ISIC_0000001"),
    (rb"PAR1|ARROW1|SQLite format 3|\x93NUMPY|MATLAB \d", "a table or arrays; save the images in it as PNG or JPEG"),
    (rb"%PDF-", "a PDF document; save its image as PNG or JPEG"),
    (rb"8BPS", "a document of Photoshop; save it as PNG or JPEG"),
    (rb"P[1-7f]\s|PG [ml][lm] |qoif|v/1\x01|#\?RADIANCE|DDS |\0\0[\1\2]\0|icns\0|SIMPLE  =|AT&TFORM|%!PS|"
     rb"\xc5\xd0\xd3\xc6|\x0a[\0-\5]\x01[\1\2\4\x08]|\x01\xda[\0\1][\1\2]|\x59\xa6\x6a\x95|/\* xpm|FLIF|"
     rb"BPG\xfb|gimp xcf|NRRD|ObjectType =|ZISRAWFILE|\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF|#define \w+_width|<svg\b|"
     rb"<\?xml.{0,450}<svg\b",
     "an image of a format that is not read; save it as PNG or JPEG"),
    (rb"FUJIFILMCCD-RAW|....ftypcrx |II(RO|RS|U\0|\x1a\0\0\0HEAPCCDR)|MMOR|FOVb|\0MRM",
     "a camera's raw image; save it as PNG or JPEG"),
    (rb"....ftyp|\0\0..(moov|mdat|wide|free|skip)|RIFF....(AVI |WAVE)|\x1aE\xdf\xa3|\0\0\x01[\xb3\xba]|ID3|OggS|fLaC",
     "a film, a sound, or another file of their kind"),
)  # fmt: skip
_BLOCK, _PADDED = 512, 4096  # bytes: of a disk, and at the least of what was not copied
_BY_CHANCE = 1000  # runs of black, of which one lies between blocks
_BEHIND_JPEG = [bytes([marker]) for marker in (0xDB, *range(0xE0, 0xF0), 0xFE)]  # of the segment that begins it
_LONGEST_PATH = 4096  # bytes
_SUFFIXES = tuple(suffix.encode() for suffix in SUFFIXES)
_MORE = 16  # zeros that nothing begins with; line feeds that have carriage returns in front of them by no chance


def sniff(head: bytes) -> str | None:
    """The format of a file by its first bytes, as `header` names it, or None if it is not an image.

    head: the first `HEAD` bytes, or all of a shorter file.
    """
    if head[128:132] == b"DICM":  # first, since a preamble may hold the header of a TIFF
        return "DICOM"
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and len(head) >= 18 and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    return "DICOM" if is_dicom(head) else None


def unrecognised(data: bytes) -> tuple[str, str]:
    """A word of `IMAGE_FAILURES` and an explanation for a file that is of no known format."""
    head = data[:HEAD]
    for start, kind in _STARTS.items():
        if 2 <= len(data) < len(start) and start.startswith(data):
            return "damaged", "it breaks off within its first bytes"
        if any(head.startswith(changed) for changed in _changed_as_text(start)):
            return "damaged", f"{kind} that was changed by a transfer as text; transfer it again, as binary data"
        at = head.find(start)
        if at > 0 and len(start) > 2 and re.fullmatch(rb"(\xef\xbb\xbf)?[\t\n\r -~]*", head[:at]):
            return "damaged", f"text in front of {kind}, which begins at byte {at}; remove the text"
    zeros = len(head) - len(head.lstrip(b"\0"))
    if len(data) >= _MORE and data.count(data[:1]) == len(data):
        return "damaged", "all its bytes are the same, as of a copy that was not finished; copy it again"
    if zeros >= _MORE:
        return "damaged", f"its first {zeros} bytes are zeros, as of a copy that was not finished; copy it again"
    if written := _written_as_text(head):
        return "not_an_image", f"{written} written as text, in base64 or hexadecimal digits; decode it"
    texts = {head, _text_of(head)}
    flags = re.IGNORECASE | re.DOTALL
    if told := next((told for begins, told in _OTHERS for text in texts if re.match(begins, text, flags)), ""):
        return "not_an_image", told
    if (
        len(data) < _LONGEST_PATH
        and re.fullmatch(rb"[ -~]+", data.strip())
        and data.strip().lower().endswith(_SUFFIXES)
    ):
        return "not_an_image", "the path of another file, as of a link that was not kept; copy that file"
    for start, kind in _STARTS.items():
        at = head.find(start)
        if at > 0 and (len(start) >= 8 or (kind == "JPEG" and head[at + 3 : at + 4] in _BEHIND_JPEG)):
            return "damaged", f"other bytes in front of {kind}, which begins at byte {at}; save the image in it"
    return "not_an_image", f"the content is none of {', '.join(FORMATS)}"


def _written_as_text(head: bytes) -> str | None:
    """The format of an image whose bytes are written in base64 or as hexadecimal digits; None for anything else."""
    bare = re.sub(rb"\s", b"", _text_of(head))
    bare = re.sub(rb"""^(b?["'])?(data:[^,]{0,99},|0x|\\x)?""", b"", bare, flags=re.IGNORECASE)
    for digits, size, decode in ((rb"[0-9a-f]+", 2, bytes.fromhex), (rb"[0-9a-z+/_-]+", 4, _from_base64)):
        found = re.match(digits, bare, re.IGNORECASE)
        text = found[0][: len(found[0]) // size * size].decode() if found else ""
        if (kind := sniff(decode(text))) in FORMATS:
            return kind
    return None


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/"))  # the former are those of URLs


def _text_of(head: bytes) -> bytes:
    """The first bytes of a text without marks of their order, zeros of UTF-16 and blanks in front."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head[2:].replace(b"\0", b"").lstrip()
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


def unfinished(data: bytes) -> str:
    """A note on zeros, or bytes of 255, in pixels that are not compressed, where a copy may have stopped or left a gap.

    Copies stop between blocks; what is black or white in a picture begins there once in 512 times, and ends there as
    seldom. Of pictures with many such runs a few are between blocks by chance.
    """
    blocks = np.frombuffer(data, np.uint64, len(data) // _BLOCK * _BLOCK // 8).reshape(-1, _BLOCK // 8)
    for byte, called in ((b"\0", "zeros"), (b"\xff", "255")):
        if data.endswith(byte * _PADDED):
            count = len(data) - len(data.rstrip(byte))
            if (len(data) - count) % _BLOCK == 0:
                return f"its last {count:,} bytes are {called}, as of a copy that was not finished"
        filled = np.concatenate([[False], (blocks == np.uint64(int.from_bytes(byte * 8))).all(1), [False]])
        runs = _BLOCK * np.flatnonzero(filled[1:] != filled[:-1]).reshape(-1, 2)
        gaps = [(start, end) for start, end in runs if start and byte[0] not in (data[start - 1], *data[end : end + 1])]
        if len(gaps) * _BY_CHANCE > len(runs):
            start, end = gaps[0]
            return f"{end - start:,} bytes from byte {start:,} on are {called}, as of a copy that was not finished"
    return ""


def was_sent_as_text(data: bytes) -> bool:
    """Whether a carriage return stands in front of every line feed, as a transfer of text puts it there."""
    lines = data.count(b"\n")
    # Behind letters, as in metadata, it may belong there.
    return _MORE <= lines == data.count(b"\r\n") and len(set(re.findall(rb"[^ -~]\r\n", data))) > _MORE // 2


def is_dicom(head: bytes) -> bool:
    """Whether a file begins like DICOM: with its preamble of 128 bytes, as the standard asks, or without."""
    return head[128:132] == b"DICM" or head.startswith(b"DICM\x02\x00") or _begins_with_elements(head)


def _changed_as_text(start: bytes) -> set[bytes]:
    """How a format's first bytes look after line ends, bytes beyond ASCII or their highest bits were changed."""
    lines = start.replace(b"\r\n", b"\n")
    changed = {
        lines, lines.replace(b"\n", b"\r\n"), start.replace(b"\n", b"\r\n"), start.decode("latin-1").encode(),
        start.decode(errors="replace").encode(), bytes(byte & 0x7F for byte in start), start[1:],
    }  # fmt: skip
    return {each for each in changed if len(each) > 4 or (start == b"\xff\xd8\xff" and each != start[1:])} - {start}


def _iso_media(head: bytes) -> str | None:
    """HEIC or AVIF by the brands of an ISO base media file, None for a video."""
    brands = {head[offset : offset + 4] for offset in range(8, min(int.from_bytes(head[:4], "big"), len(head)), 4)}
    return "AVIF" if brands & _AVIF_BRANDS else "HEIF" if brands & _HEIC_BRANDS else None


def _begins_with_elements(head: bytes) -> bool:
    """Whether a file begins with three data elements of DICOM in the order of their tags, from group 2 or 8 on.

    Explicit or implicit value representations, either order of bytes: DICOM PS3.5, 7.1.
    """
    order = "<" if head[:2] in (b"\x02\x00", b"\x08\x00") else ">" if head[:2] in (b"\x00\x02", b"\x00\x08") else ""
    offset, before = 0, (0, -1)
    for _ in range(3):
        if not order or offset + 12 > len(head):
            return False
        group, element = struct.unpack_from(f"{order}HH", head, offset)
        representation = head[offset + 4 : offset + 6]
        if representation in _LONG:
            length, start = struct.unpack_from(f"{order}I", head, offset + 8)[0], offset + 12
        elif representation in _VALUE_REPRESENTATIONS:
            length, start = struct.unpack_from(f"{order}H", head, offset + 6)[0], offset + 8
        else:
            length, start = struct.unpack_from(f"{order}I", head, offset + 4)[0], offset + 8
        if (group, element) <= before or group > 0x0010 or length % 2:
            return False
        if start + length + 12 > len(head):  # a long value: what follows it is not in sight
            return before != (0, -1) and length < 2**16
        offset, before = start + length, (group, element)
    return True
