"""The module that scales, cuts and turns gives what Pillow gives, to the last bit."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from lesionflow.errors import ImageError
from lesionflow.images.colour import adobe_rgb, named_profile, to_srgb
from lesionflow.images.decode import decode
from lesionflow.images.picture import StoredImage, fit
from lesionflow.webapp.build import WORKER_FILES
from tests.webapp.conftest import needs_browser, scripts

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = needs_browser
CALL = """
const [content, width, height, orientations, frameWidth, frameHeight, gap] = arguments;
const image = { data: new Uint32Array(Uint8Array.fromBase64(content).buffer), width, height };
return orientations.map((orientation) => {
  const [wide, tall] = ON_ITS_SIDE.includes(orientation) ? [frameHeight, frameWidth] : [frameWidth, frameHeight];
  return turned(fitted(image, wide, tall, gap).frame, wide, tall, orientation).data.toBase64();
});
"""


@pytest.mark.parametrize(
    ("width", "height", "frame"),
    [(200, 150, (128, 128)), (601, 449, (128, 96)), (1000, 400, (64, 64)), (40, 33, (64, 48)), (128, 128, (128, 128)),
     (420, 640, (32, 40)), (7, 900, (24, 24))],
)  # fmt: skip
@pytest.mark.parametrize("gap", [1.75, 2.0])
def test_scaling_and_cutting_are_pillows(
    blank: Chrome, width: int, height: int, frame: tuple[int, int], gap: float
) -> None:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    program = scripts("pixels.js") + CALL
    content = base64.b64encode(np.dstack([pixels, pixels[..., 0]]).tobytes()).decode()
    orientations = [1, 5] if gap == 2.0 else [*range(1, 9)]
    found = blank.execute_script(program, content, width, height, orientations, *frame, gap)
    for orientation, each in zip(orientations, found, strict=True):
        expected, _ = fit(StoredImage(Image.fromarray(pixels), orientation, gap=gap), frame[1], frame[0])
        assert np.array_equal(np.frombuffer(base64.b64decode(each), np.uint8).reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("profile", "named"),
    [
        *((named_profile(primaries, 13)[0], f"namedConversion({primaries}, 13)") for primaries in (9, 11, 12)),
        (named_profile(1, 4)[0], "namedConversion(1, 4)"),
        (adobe_rgb(), "pointsConversion(ADOBE_RGB, ADOBE_GAMMA)"),
    ],
)
def test_profiles_become_srgb_as_in_python(blank: Chrome, profile: bytes, named: str) -> None:
    """To the last bit, whether a profile is embedded or named by numbers."""
    pixels = np.random.default_rng(0).integers(0, 256, (400, 500, 3), np.uint8)
    expected = np.asarray(to_srgb(Image.fromarray(pixels), profile)[0])
    program = scripts("failure.js", "signatures.js", "colour.js") + (
        "const [profile, embedded, other] = [...arguments].map((each) => Uint8Array.fromBase64(each));"
        f"profileConversion(profile)(embedded); {named}(other);"
        "return [embedded, other].map((each) => each.toBase64());"
    )
    content = base64.b64encode(pixels.tobytes()).decode()
    for found in blank.execute_script(program, base64.b64encode(profile).decode(), content, content):
        assert np.array_equal(np.frombuffer(base64.b64decode(found), np.uint8).reshape(expected.shape), expected)


def test_profiles_that_change_nothing_or_are_broken_are_left_alone(blank: Chrome) -> None:
    from PIL import ImageCms

    program = scripts("failure.js", "signatures.js", "colour.js") + (
        "const found = profileConversion(Uint8Array.fromBase64(arguments[0]));"
        "return found === undefined ? 'browser' : found;"
    )
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    tables = srgb[:20] + b"Lab " + srgb[24:]
    wide = named_profile(12, 13)[0]
    black = bytearray(wide)  # all of its primaries are, so that nothing tells one colour from another
    for name in (b"rXYZ", b"gXYZ", b"bXYZ"):
        start = int.from_bytes(wide[wide.index(name) + 4 :][:4], "big")
        black[start + 8 : start + 20] = bytes(12)
    for profile, said in ((srgb, None), (b"nothing", None), (srgb[:200], None), (lab, None), (tables, "browser"),
                          (bytes(black), "browser")):  # fmt: skip
        assert blank.execute_script(program, base64.b64encode(profile).decode()) == said


def test_orientation_is_read_as_in_python(blank: Chrome) -> None:
    from lesionflow.images.picture import exif_orientation

    program = scripts("failure.js", "signatures.js", "pixels.js") + (
        "const read = (text) => (text ? Uint8Array.fromBase64(text) : null);"
        "return exifOrientation(read(arguments[0]), read(arguments[1]));"
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    little = exif.tobytes().removeprefix(b"Exif\0\0")
    xmp = b'<x tiff:Orientation="8"/>'
    cases = [(little, b""), (b"", xmp), (little[:11], b""), (b"II*\0\xff\xff\xff\xff", xmp), (b"garbage", b""),
             (b"", b"<tiff:Orientation>\n 6</tiff:Orientation>"), (b"", b"<x tiff:Orientation = '8'/>")]  # fmt: skip
    for made, beside in cases:
        told = [base64.b64encode(each).decode() for each in (made, beside)]
        assert blank.execute_script(program, *told) == exif_orientation(made, beside)


def test_every_code_of_progressive_files_is_looked_at(blank: Chrome) -> None:
    """Whole files, and such with a piece left out, put in, doubled, or of other bytes; a browser shows them all."""
    random, files = np.random.default_rng(0), []
    for number in range(40):
        blocks = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).resize(
            (150, 110), Image.Resampling.BICUBIC
        )
        noisy = np.clip(np.asarray(blocks, int) + random.integers(-20, 20, (110, 150, 3)), 0, 255).astype(np.uint8)
        made, restart = io.BytesIO(), {"restart_marker_blocks": 7} if number % 4 == 0 else {}
        image = Image.fromarray(noisy).convert("L" if number % 5 == 0 else "RGB")
        image.save(made, "JPEG", progressive=True, quality=60 + number, subsampling=number % 3, **restart)
        whole = made.getvalue()
        at = len(whole) // 5 + int(random.integers(0, len(whole) * 7 // 10))
        other = bytes(random.integers(0, 256, 40, np.uint8))
        files += [
            whole, whole[:at] + whole[at + 90 :], whole[:at] + other + whole[at:],
            whole[:at] + other + whole[at + 40 :], whole[:at] + whole[at - 200 :],
        ]  # fmt: skip
    program = scripts(*WORKER_FILES[:-1]) + (
        "const told = arguments[1];"
        "const all = arguments[0].map((text) => new File([Uint8Array.fromBase64(text)], 'mole.jpg'));"
        "Promise.all(all.map((file) => decodeImage(file, 24, 24).then(() => '', ({ reason }) => reason))).then(told);"
    )
    found = blank.execute_async_script(program, [base64.b64encode(each).decode() for each in files])
    expected = []
    for data in files:
        try:
            decode(data, 24, 24)
            expected.append("")
        except ImageError as error:
            expected.append(error.reason)
    assert found == expected and not any(found[::5]) and found.count("damaged") > 150
