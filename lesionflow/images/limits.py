"""How much work a progressive JPEG asks for, told from its bytes."""

from __future__ import annotations

import re

from lesionflow.errors import ImageError

# Encoders write about ten; each is another pass over all the pixels, so a small file could keep a core busy for hours.
MAXIMUM_SCANS = 100

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # neither a stuffed zero nor a restart, nor fill


def check_scans(data: bytes) -> None:
    """Raise `ImageError` for a JPEG of more than `MAXIMUM_SCANS` scans; whatever follows the image is not looked at.

    Markers are walked as ITU-T T.81, annex B, lays them out. A file that breaks off is left to the decoder to refuse.
    """
    place, scans = 2, 0
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # fill
            place += 1
            continue
        if marker == _END_OF_IMAGE:
            return
        if marker == _START_OF_SCAN:
            scans += 1
            if scans > MAXIMUM_SCANS:
                raise ImageError("too_large", f"a progressive JPEG of more than {MAXIMUM_SCANS} scans")
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == _START_OF_SCAN:
            found = _MARKER_IN_SCAN.search(data, place)
            if found is None:
                return
            place = found.start()
