"""Paints and photographs the lesions of the demo set, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageColor, ImageDraw, ImageFilter

WIDTH, HEIGHT = 200, 150

# A lesion is painted once on a square of skin and seen through a window of WIDTH x HEIGHT, turned, zoomed in
# and shifted: half of SIDE covers half the window's diagonal (125) and the largest shift. The lesion lies
# within the middle SPOT x SPOT pixels: painting the whole square would take twice as long.
# Colours come first in every array, (3, height, width): numpy is slow where the last axis is short.
SIDE, SPOT, LARGEST_SHIFT = 272, 176, 9
ACROSS, DOWN = np.meshgrid(*[np.arange(SPOT, dtype=np.float32) - SPOT / 2] * 2)  # (SPOT, SPOT) each
DISTANCE, ANGLE = np.hypot(ACROSS, DOWN), np.arctan2(DOWN, ACROSS)
DIRECTIONS = 512
DIRECTION = (ANGLE / (2 * pi) % 1 * DIRECTIONS).astype(np.int32) % DIRECTIONS
WINDOW_DOWN, WINDOW_ACROSS = np.mgrid[-0.75:0.75:150j, -1:1:200j].astype(np.float32)  # (HEIGHT, WIDTH) each

PALETTE = "#e0aea8 #daa996 #c79480 #a87861  #9e6b4d #704530 #40241c #856b59"  # skin tones, then browns
PALETTE += " #b8403d #d98585 #5c294d #403366 #666e85  #1c1417 #eddcd4 #e8d2ac #2b1e19"
RGB = np.array([ImageColor.getrgb(name) for name in PALETTE.split()], dtype=np.float32) / 255
COLOURS = list(RGB.reshape(-1, 3, 1, 1))
SKIN_TONES, (LIGHT_BROWN, BROWN, DARK_BROWN, GREY_BROWN) = COLOURS[:4], COLOURS[4:8]
RED, PINK, PURPLE, VIOLET, BLUE, BLACK, WHITE, YELLOW_WHITE, HAIR = COLOURS[8:]

LOOKS = {  # radius in pixels, unevenness, softness of the border, main colours; chance and colours of patches
    "akiec": ((28, 64), 0.14, (0.25, 0.6), (PINK, RED, LIGHT_BROWN), 0.15, (BROWN, GREY_BROWN, LIGHT_BROWN)),
    "bcc": ((28, 62), 0.12, (0.15, 0.5), (PINK, PINK, LIGHT_BROWN), 0.15, (BROWN, RED, GREY_BROWN, WHITE)),
    "bkl": ((26, 62), 0.1, (0.04, 0.25), (LIGHT_BROWN, BROWN, GREY_BROWN), 0.15, (DARK_BROWN, PINK, BLUE)),
    "df": ((24, 56), 0.08, (0.3, 0.6), (LIGHT_BROWN, PINK, BROWN), 0.1, (DARK_BROWN, PINK)),
    "mel": ((28, 66), 0.13, (0.1, 0.4), (LIGHT_BROWN, BROWN), 0.5, (DARK_BROWN, BLACK, BLUE, PINK, WHITE)),
    "nv": ((24, 62), 0.06, (0.12, 0.4), (LIGHT_BROWN, BROWN), 0.1, (DARK_BROWN, PINK)),
    "vasc": ((20, 54), 0.1, (0.08, 0.35), (PINK, RED, PURPLE), 0.1, (BLACK, BROWN, WHITE)),
}


@dataclass(frozen=True)
class Spot:
    """The place of a lesion on the skin, and the random numbers that paint it."""

    random: Generator
    canvas: np.ndarray  # (3, SPOT, SPOT), painted on
    radius: np.ndarray  # (DIRECTIONS,), how far the lesion reaches in each direction, in pixels
    depth: np.ndarray  # (SPOT, SPOT), 0 at the border, 1 at the centre, below 0 outside
    mask: np.ndarray  # (SPOT, SPOT), 1 inside, 0 outside, in between along a soft border


def paint_skin(kind: str, random: Generator, marks: str = "") -> Image.Image:
    """Paint a square of skin with a lesion of this kind in its middle; marks: the kind whose structures it has."""
    tone = random.beta(1.3, 2.2) * (len(SKIN_TONES) - 1.001)
    skin = SKIN_TONES[int(tone)] + tone % 1 * (SKIN_TONES[int(tone) + 1] - SKIN_TONES[int(tone)])
    skin += random.normal(0, 0.012, (3, 1, 1)).astype(np.float32)
    # (3, SIDE, SIDE), with a fine grain and broad shades
    canvas = skin * (1 + 0.025 * cloud(random, 80, SIDE) + 0.03 * cloud(random, 7, SIDE))
    edge = (SIDE - SPOT) // 2
    middle = canvas[:, edge:-edge, edge:-edge]

    # One naevus in five is atypical and looks like a melanoma at first sight, and the other way round.
    lookalike = {"nv": "mel", "mel": "nv"}.get(kind, kind)
    sizes, uneven, soft, main, chance, others = LOOKS[lookalike if random.random() < 0.2 else kind]
    spot = outline(middle, random, random.uniform(*sizes), uneven, random.uniform(*soft))
    thickness = random.uniform(0.4, 0.85) + 3 * uneven * cloud(random, 5)
    blend(spot, mixed(random, *main), spot.mask * thickness.clip(0.1, 0.97))
    for colour in others:
        if random.random() < chance:
            blotches = 1.8 * (cloud(random, 5) - random.uniform(0.1, 0.5))
            blend(spot, colour, random.uniform(0.3, 0.85) * spot.mask * blotches.clip(0, 1))
    MARKS[marks or kind](spot, random.uniform(0.35, 1.0))
    return picture_of(canvas)


def mark_nv(spot: Spot, strength: float) -> None:
    """Mark a naevus: darker inside, a regular pigment network or globules."""
    random = spot.random
    blend(spot, mixed(random, BROWN, DARK_BROWN), random.uniform(0, 0.7) * (spot.depth * 1.3).clip(0, 1))
    if random.random() < 0.65:
        blend(spot, DARK_BROWN, 0.55 * strength * network(spot, random.uniform(4.5, 8), 1.2))
    else:
        blend(spot, DARK_BROWN, 0.65 * strength * dots(spot, (20, 80), (1.2, 3.0)))


def mark_mel(spot: Spot, strength: float) -> None:
    """Mark a melanoma: an irregular network, dark dots, streaks that radiate from one side of the border."""
    random = spot.random
    blend(spot, DARK_BROWN, 0.45 * network(spot, random.uniform(5, 8), 1.3 + 1.2 * strength))
    blend(spot, DARK_BROWN, strength * spot.mask * (cloud(random, 5) - 0.2).clip(0, 0.8))
    blend(spot, BLACK, 0.9 * strength * dots(spot, (1, 40), (0.8, 2.4)))
    if random.random() < 0.5 * strength:
        rays = np.cos(random.integers(24, 44) * ANGLE + 2 * cloud(random, 12)).clip(0, 1)
        rim = (1 - abs(spot.depth - 0.08) / 0.16).clip(0, 1)
        side = (1.5 * np.cos(ANGLE - random.uniform(-pi, pi))).clip(0, 1)
        blend(spot, DARK_BROWN, 0.75 * rays * rim * side)


def mark_bkl(spot: Spot, strength: float) -> None:
    """Mark a benign keratosis: a waxy uneven surface, milia-like cysts and comedo-like openings."""
    blend(spot, BROWN, 0.5 * spot.mask * cloud(spot.random, 22).clip(0, 1))
    blend(spot, YELLOW_WHITE, 0.85 * strength * dots(spot, (2, 22), (1.0, 3.0)))
    blend(spot, DARK_BROWN, 0.85 * strength * dots(spot, (2, 16), (1.5, 3.8)))


def mark_bcc(spot: Spot, strength: float) -> None:
    """Mark a basal cell carcinoma: pale translucent parts, blue-grey ovoid nests, arborising vessels."""
    blend(spot, WHITE, 0.4 * spot.mask * cloud(spot.random, 6).clip(0, 1))
    if spot.random.random() < 0.65:
        blend(spot, BLUE, 0.75 * strength * dots(spot, (2, 9), (3, 9)))
    blend(spot, RED, (0.2 + 0.6 * strength) * vessels(spot))


def mark_akiec(spot: Spot, strength: float) -> None:
    """Mark an actinic keratosis: pale follicles in a strawberry pattern, dotted vessels, scales."""
    blend(spot, YELLOW_WHITE, 0.65 * strength * dots(spot, (10, 50), (1.2, 2.8)))
    blend(spot, RED, 0.7 * strength * dots(spot, (20, 80), (0.7, 1.4)))
    scales = (1.6 * (cloud(spot.random, 16) + cloud(spot.random, 4) - 0.9)).clip(0, 0.85)
    blend(spot, YELLOW_WHITE, strength * spot.mask * scales)


def mark_df(spot: Spot, strength: float) -> None:
    """Mark a dermatofibroma: a delicate network round a white scar-like centre."""
    random = spot.random
    rim = (1.3 - 1.6 * spot.depth).clip(0, 1)
    blend(spot, BROWN, 0.5 * rim * network(spot, random.uniform(4.5, 6.5), 1.4))
    centre = 3 * (spot.depth + 0.2 * cloud(random, 8) - random.uniform(0.35, 0.65))
    blend(spot, mixed(random, WHITE, WHITE, PINK), (0.2 + 0.6 * strength) * centre.clip(0, 1))


def mark_vasc(spot: Spot, strength: float) -> None:
    """Mark a vascular lesion: red, purple or blue lacunae."""
    for colour in (PURPLE, RED, mixed(spot.random, VIOLET, PURPLE)):
        blend(spot, colour, 0.8 * strength * dots(spot, (2, 12), (3, 9)))


MARKS = {"akiec": mark_akiec, "bcc": mark_bcc, "bkl": mark_bkl, "df": mark_df}
MARKS |= {"mel": mark_mel, "nv": mark_nv, "vasc": mark_vasc}


def outline(canvas: np.ndarray, random: Generator, size: float, uneven: float, soft: float) -> Spot:
    """Shape a lesion: an ellipse bent by low harmonics, its border ragged where it is sharp."""
    angle = np.linspace(0, 2 * pi, DIRECTIONS, endpoint=False)
    radius = 1 + random.uniform(0, 0.18) * np.cos(2 * (angle - random.uniform(0, pi)))
    for harmonic in range(2, 9):
        bump = uneven * random.normal() / harmonic**0.7
        radius += bump * np.cos(harmonic * angle + random.uniform(0, 2 * pi))
    radius = (size * radius.clip(0.45, 1.6)).clip(0, 72).astype(np.float32)  # soft border and all within SPOT
    depth = 1 - DISTANCE / radius[DIRECTION] + (0.02 + 0.005 / soft) * cloud(random, 16)
    mask = (depth / soft + 0.3).clip(0, 1)
    return Spot(random, canvas, radius, depth, mask * mask * (3 - 2 * mask))


def mixed(random: Generator, *colours: np.ndarray) -> np.ndarray:
    """Mix colours at random."""
    shares = random.dirichlet(np.ones(len(colours))).astype(np.float32)
    return np.tensordot(shares, np.stack(colours), axes=1)


def cloud(random: Generator, cells: int, side: int = SPOT) -> np.ndarray:
    """Make smooth noise about 0, some -1.5 to 1.5, with this many cells across."""
    grid = Image.fromarray(0.8 * random.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC))


def blend(spot: Spot, colour: np.ndarray, alpha: np.ndarray) -> None:
    """Lay a colour over a spot, as opaque as alpha (SPOT, SPOT) says."""
    change = colour - spot.canvas
    change *= alpha  # in place, like others here: threads slow each other down when they allocate memory
    spot.canvas[:] += change


def network(spot: Spot, spacing: float, bent: float) -> np.ndarray:
    """Make a pigment network: dark lines round the holes of a hexagonal lattice, bent and faint in places."""
    bends = cloud(spot.random, 10), cloud(spot.random, 10)
    across, down = ACROSS + 1.6 * bent * bends[0], DOWN + 1.6 * bent * bends[1]
    waves, turn = np.zeros_like(ACROSS), spot.random.uniform(0, pi)
    for angle in (turn, turn + 2 * pi / 3, turn + 4 * pi / 3):
        waves += np.cos((cos(angle) * across + sin(angle) * down) * (2 * pi / spacing))
    return spot.mask * (0.6 + 0.3 * bent * bends[0]).clip(0, 1) * (0.45 - 0.55 * waves).clip(0, 1)


def dots(spot: Spot, counts: tuple[int, int], radii: tuple[float, float]) -> np.ndarray:
    """Scatter round blobs over a lesion, with their count and radii within these bounds."""
    picture = Image.new("L", (2 * SPOT, 2 * SPOT))
    pen, random = ImageDraw.Draw(picture), spot.random
    count = int(random.integers(*counts))
    direction, reach = random.integers(0, DIRECTIONS, count), 1.8 * np.sqrt(random.random(count))
    reach, turn = reach * spot.radius[direction], direction * (2 * pi / DIRECTIONS)
    centres = SPOT + np.stack((reach * np.cos(turn), reach * np.sin(turn)), axis=1)  # (count, 2)
    sizes = 2 * random.uniform(*radii, (count, 1)) * random.uniform(0.8, 1.2, (count, 2))
    for box in np.hstack((centres - sizes, centres + sizes)).tolist():
        pen.ellipse(box, fill=int(random.integers(110, 256)))
    return softened(picture, 0.4 + 0.1 * radii[1])


def vessels(spot: Spot) -> np.ndarray:
    """Make vessels that wander over a lesion, branch and get thinner."""
    picture = Image.new("L", (2 * SPOT, 2 * SPOT))
    pen, random = ImageDraw.Draw(picture), spot.random
    trunks = random.normal(SPOT, 45, (random.integers(1, 5), 2)).tolist()
    ends = [(x, y, random.uniform(0, 2 * pi), random.uniform(2.5, 4.5)) for x, y in trunks]
    while ends:
        x, y, heading, thick = ends.pop()
        for bend in random.normal(0, 0.35, random.integers(5, 11)).tolist():
            heading += bend
            start, x, y = (x, y), x + 8 * cos(heading), y + 8 * sin(heading)
            pen.line((*start, x, y), fill=230, width=round(thick))
        if thick > 1.6:
            ends += [(x, y, heading + side * random.uniform(0.2, 0.9), thick * 0.65) for side in (-1, 1)]
    return softened(picture, 0.4) * (2 * spot.mask).clip(0, 1)


def softened(picture: Image.Image, blur: float) -> np.ndarray:
    """Halve a drawing made at twice the scale and blur it, for smooth edges, 0 to 1."""
    return np.asarray(picture.reduce(2).filter(ImageFilter.BoxBlur(blur)), dtype=np.float32) / 255


def photograph(skin: Image.Image, random: Generator) -> Image.Image:
    """Take an image of a painted lesion: each time another turn, zoom, shift, light and hair."""
    turn, zoom = random.uniform(0, 2 * pi), random.uniform(1.0, 1.2)
    along, aside = cos(turn) / zoom, sin(turn) / zoom
    x, y = SIDE / 2 + random.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, 2)
    x, y = x - along * WIDTH / 2 + aside * HEIGHT / 2, y - aside * WIDTH / 2 - along * HEIGHT / 2
    onto_skin = (along, -aside, x, aside, along, y)
    window = skin.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, onto_skin, Image.Resampling.BILINEAR)
    # (3, HEIGHT, WIDTH)
    image = np.array([np.asarray(band) for band in window.split()], dtype=np.float32)
    image /= 255
    if random.random() < 0.4:
        image += hairs(random) * (HAIR - image)
    light = 1 + random.uniform(-0.1, 0.1) * WINDOW_ACROSS + random.uniform(-0.1, 0.1) * WINDOW_DOWN
    if random.random() < 0.35:  # the dermatoscope's round field leaves dark corners
        beyond = np.hypot(WINDOW_ACROSS, WINDOW_DOWN) - random.uniform(0.95, 1.2)
        light *= (1 - beyond * random.uniform(2, 12)).clip(0.03, 1)
    light += 0.012 * random.standard_normal((HEIGHT, WIDTH), dtype=np.float32)
    cast = random.uniform(0.85, 1.08) * random.normal(1, 0.03, (3, 1, 1)).astype(np.float32)
    image *= light
    image *= cast
    return picture_of(image)


def hairs(random: Generator) -> np.ndarray:
    """Make curved strokes across the whole image, mostly in one direction."""
    picture = Image.new("L", (2 * WIDTH, 2 * HEIGHT))
    pen, combed = ImageDraw.Draw(picture), random.uniform(0, 2 * pi)
    for _ in range(random.integers(2, 14)):
        heading = random.normal(combed, 0.5) + random.normal() * np.linspace(-0.5, 0.5, 16)
        steps = random.uniform(5, 22) * np.stack((np.cos(heading), np.sin(heading)), axis=1)
        points = random.uniform(0, (2 * WIDTH, 2 * HEIGHT)) + np.cumsum(steps, axis=0)  # (16, 2)
        dark, width = int(random.integers(120, 245)), int(random.integers(1, 4))
        pen.line(points.ravel().tolist(), fill=dark, width=width)
    return softened(picture, 0.3)


def picture_of(image: np.ndarray) -> Image.Image:
    """Turn an array of 0 to 1, (3, height, width), into a picture; the array is used up."""
    np.clip(image, 0, 1, out=image)
    image *= 255
    return Image.merge("RGB", [Image.fromarray(channel.astype(np.uint8)) for channel in image])
