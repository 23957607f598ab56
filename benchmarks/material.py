"""What the benchmarks share: pictures, pixels, a bundle, and a process's time and peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PIL import Image, ImageOps

if TYPE_CHECKING:
    import numpy as np

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))  # the code beside the benchmarks is measured, not another that is installed
HAM10000 = CHECKOUT.parent / "shared" / "ham10000"
SIZE = (600, 450)  # of HAM10000's images
Item = TypeVar("Item")
DRAWN = 200  # demo images that are drawn; the others are these, mirrored and turned a little


@dataclass(frozen=True)
class Measured:
    """One process, from its start to its end."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def make_pictures(folder: Path, count: int, size: tuple[int, int] = SIZE) -> str:
    """Write JPEG files of a size, no two alike; says what they were made from."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as drawn:
        if HAM10000.is_dir():
            sources, name = sorted(HAM10000.rglob("*.jpg")), "HAM10000, enlarged"
        else:
            from lesionflow.datasets.demo.demo_set import draw_demo_set

            draw_demo_set(Path(drawn) / "set", images=DRAWN)
            sources, name = sorted(Path(drawn).rglob("*.jpg")), "the demo set, enlarged"
        for number in range(count):
            turn, place = divmod(number, len(sources))
            with Image.open(sources[place]) as image:
                picture = ImageOps.mirror(image) if turn % 2 else image.convert("RGB")
            picture.rotate(turn // 2).resize(size, Image.Resampling.BICUBIC).save(
                folder / f"image{number:06}.jpg", quality=90
            )
    return name


def make_bundle(folder: Path, network: str = "cnn", side: int = 64, width: float = 1.0) -> Path:
    """Write a bundle with fresh weights, in a process of its own: what they say is nothing, what they cost is real."""
    program = (
        "import sys, pathlib, numpy\n"
        "from lesionflow.model.card import Card\n"
        "from lesionflow.training.export.onnx import write_bundle\n"
        "from lesionflow.datasets.split import Split\n"
        "from lesionflow.training.fit import Examples\n"
        "from lesionflow.training.networks import build_network\n"
        "folder, network = pathlib.Path(sys.argv[1]), sys.argv[2]\n"
        "side, width = int(sys.argv[3]), float(sys.argv[4])\n"
        "card = Card(network=network, height=side, width=side, data_name='none', data_digest='', demo=True,\n"
        "            split_digest='', split_seed=0, split_fractions=(0.7, 0.15, 0.15))\n"
        "rows = numpy.arange(56)\n"
        "pixels = numpy.random.default_rng(0).integers(0, 256, (56, side, side, 3), numpy.uint8)\n"
        "split = Split(rows[:42], rows[42:49], rows[49:], 0, (0.75, 0.125, 0.125), '')\n"
        "write_bundle(folder, build_network(network, side, side, width), card, Examples(pixels, rows % 7, split))\n"
    )
    command = [sys.executable, "-c", program, str(folder), network, str(side), str(width)]
    subprocess.run(command, env=environment(), check=True)
    return folder


def make_pixels(folder: Path, images: int, side: int, network: str) -> Path:
    """Write what a training starts from, in a process of its own: pixels, labels, and the network with fresh weights.

    The pixels are random, for speed does not ask what they show. The labels are as frequent as HAM10000's, and for 70
    images to train on there are 15 to validate with, as in training; so `images` are 85 parts of a set of 100.
    """
    program = (
        "import sys, pathlib, numpy\n"
        "from lesionflow.datasets.demo.demo_set import SHARES\n"
        "from lesionflow.diagnoses import HAM10000\n"
        "from lesionflow.training.networks import build_network\n"
        "folder, images, side, network = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]\n"
        "shares = numpy.array([SHARES[diagnosis] for diagnosis in HAM10000.names])\n"
        "generator = numpy.random.default_rng(0)\n"
        "labels = generator.permutation(numpy.repeat(numpy.arange(7), numpy.ceil(images * shares / shares.sum())"
        ".astype(int))[-images:])\n"
        "numpy.save(folder / 'pixels.npy', generator.integers(0, 256, (images, side, side, 3), numpy.uint8))\n"
        "numpy.save(folder / 'labels.npy', labels)\n"
        "build_network(network, side, side).save(folder / 'network.keras')\n"
    )
    command = [sys.executable, "-c", program, str(folder), str(images), str(side), network]
    subprocess.run(command, env=environment(), check=True, stderr=subprocess.DEVNULL)
    return folder


def environment(checkout: Path = CHECKOUT) -> dict[str, str]:
    """The environment of a measured process: a checkout is found, and modules come as compiled as for a user."""
    own = os.environ | {"PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "3"}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    return own


def measure(command: list[str], folder: Path | None = None, checkout: Path = CHECKOUT) -> Measured:
    """Run a command of a checkout to its end, which has to be a good one."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, cwd=folder, env=environment(checkout), stdout=told, stderr=told)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # so that nobody waits for it again
        if process.returncode:
            told.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{told.read().decode(errors='replace')}")
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in KiB elsewhere
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def score_command(source: Path | str, out: Path, model: Path | str, *options: str) -> list[str]:
    """The command line of a scoring run."""
    command = [sys.executable, "-m", "lesionflow", "score", str(source), "--out", str(out), "--model", str(model)]
    return [*command, "--overwrite", "--quiet", *options]


def in_turns(rounds: int, *works: Callable[[], Measured]) -> list[list[Measured]]:
    """Measure each work so many times, in turns: what else the machine does then weighs on all of them alike."""
    taken: list[list[Measured]] = [[] for _ in works]
    for _ in range(rounds):
        for index, work in enumerate(works):
            taken[index].append(work())
    return taken


def median(taken: list[Measured]) -> Measured:
    """The median of each figure."""
    return Measured(
        statistics.median(one.seconds for one in taken),
        statistics.median(one.cpu_seconds for one in taken),
        statistics.median(one.peak_mib for one in taken),
    )


def machine() -> str:
    """The cores, and how many processes want them: where they are not free, a ratio says less."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"


class Parts:
    """The two works that scoring cannot do without, each alone on all cores, in this process."""

    def __init__(self, images: Path, bundle: Path):
        import numpy as np

        from lesionflow.defaults import BATCH_SIZES
        from lesionflow.images.decode import decode
        from lesionflow.model.predictor import load_predictor
        from lesionflow.scoring.engines.local import default_workers

        self.predictor = load_predictor(bundle, threads=1)
        card = self.predictor.card
        self.decode: Callable[[str], np.ndarray] = lambda path: decode(path, card.height, card.width)
        self.workers = default_workers()
        self.paths = sorted(map(str, images.iterdir()))
        pixels = np.stack([self.decode(path) for path in self.paths])  # also fills the disk cache
        size = BATCH_SIZES["cpu"]
        self.batches = [pixels[start : start + size] for start in range(0, len(pixels), size)]

    def decoding(self) -> float:
        """Seconds to decode all images."""
        return self._seconds_of(self.decode, self.paths)

    def inference(self) -> float:
        """Seconds for all images to go through the network."""
        return self._seconds_of(self.predictor.predict, self.batches)

    def _seconds_of(self, work: Callable[[Item], object], items: Sequence[Item]) -> float:
        with ThreadPoolExecutor(self.workers) as threads:
            started = time.monotonic()
            for _ in threads.map(work, items):
                pass
            return time.monotonic() - started


def perfect_overlap(images: Path, bundle: Path) -> float:
    """Seconds that both works take together, without a gap between them.

    In a process of its own: the peak memory of a process counts as the least one of those that it starts.
    """
    program = (
        "import sys, pathlib, material\n"
        "parts = material.Parts(*map(pathlib.Path, sys.argv[1:]))\n"
        "print(parts.decoding() + parts.inference())\n"
    )
    command = [sys.executable, "-c", program, str(images.resolve()), str(bundle.resolve())]
    done = subprocess.run(
        command, cwd=CHECKOUT / "benchmarks", env=environment(), check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout)
