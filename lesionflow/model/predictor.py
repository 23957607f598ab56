"""Pixels to probabilities with ONNX Runtime: neither Keras nor TensorFlow, and no code from the bundle."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from lesionflow.defaults import usable_cores
from lesionflow.diagnoses import LabelSet
from lesionflow.errors import BundleError, ImageError, MissingError, UsageError
from lesionflow.images import PIXELS_VERSION
from lesionflow.images.decode import decode_frames
from lesionflow.model.card import AVERAGED, SINGLE, Card
from lesionflow.model.decision import decide
from lesionflow.model.files import read_bundle
from lesionflow.model.prediction import Predictions, Row
from lesionflow.version import __version__

Outputs = tuple[np.ndarray, np.ndarray]  # logits (images, classes), distances (images,)
_Image = TypeVar("_Image")
_Measured = TypeVar("_Measured")
# Pixels that go through the network together on a core: few enough for the outputs of its layers to stay in the core's
# caches, and to save memory. With EfficientNet-Lite0 at 128 x 128, 4 or 8 images take 0.93 of the CPU time of 16,
# and scoring on two cores takes 40 MiB less with 4 than with 8; at 224 x 224, one takes as long alone as among 4.
PIXELS_AT_ONCE = 2**16
_PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}


class Predictor:
    """A loaded bundle; thread-safe."""

    def __init__(
        self, card: Card, graph: bytes, threads: int | None = None, device: str = "cpu", averaged: bool = False
    ):
        import onnxruntime

        self.card = card
        self.averaged = averaged  # over flips and quarter turns
        mode = AVERAGED if averaged else SINGLE
        if mode not in card.calibrations:
            raise UsageError("--tta: this model was not calibrated for it; leave it out, or train the model again")
        self.calibration = card.calibrations[mode]
        self.device = choose_device(device)
        # Nothing that was tried beats ONNX Runtime's defaults. For `cnn` at 64 x 64 on AVX2 cores, 93 % of the time
        # goes into convolutions; the large ones do 45 to 50 thousand million multiply-adds a second on a core that can
        # do 16 a cycle. With fresh weights and images of HAM10000, float16 takes as long as float32, dynamic int8 1.7
        # times as long; static int8 0.6 times, but it changes probabilities by up to 0.08, where PARITY_TOLERANCE is
        # 0.0001. Without the arena or the memory pattern, or with denormals taken for zero, nothing changes; fewer
        # optimisations take 1.5 times as long.
        options = onnxruntime.SessionOptions()
        self.threads = threads or usable_cores()  # of one batch
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # More at once than there are cores would only take more memory.
        self.turns = threading.BoundedSemaphore(max(1, usable_cores() // self.threads))
        self.at_once = 0  # images that go through the network together; 0: all
        try:
            self.session = onnxruntime.InferenceSession(graph, options, providers=_PROVIDERS[self.device])
            self.input = self.session.get_inputs()[0].name
            logits, _ = self.measure(np.zeros((1, card.height, card.width, 3), np.uint8))
            used = self.session.get_providers()[0]
        except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
            raise BundleError(
                f"the bundle's graph cannot be run ({str(error).splitlines()[0]}); restore or retrain the bundle"
            ) from error
        if logits.shape != (1, len(card.labels)):
            raise BundleError(
                f"the bundle's graph gives outputs of shape {logits.shape} for one image, and its card names "
                f"{len(card.labels)} diagnoses ({', '.join(card.classes)}); restore the bundle, or train it again"
            )
        if used != _PROVIDERS[self.device][0]:
            # ONNX Runtime would continue on the CPU, at a fraction of the speed.
            if device == "cuda":
                raise MissingError(
                    "--device cuda: ONNX Runtime cannot use a GPU; check the driver and CUDA's libraries"
                )
            self.device = "cpu"
        if self.device == "cpu":
            looks = 2 if card.training.get("mirrored") else 1
            self.at_once = self.threads * max(1, PIXELS_AT_ONCE // (card.height * card.width * looks))

    def __reduce__(self) -> Any:
        raise TypeError("a loaded model cannot be sent to another process; load it in each process that predicts")

    @property
    def labels(self) -> LabelSet:
        """The diagnoses, in the order of the logits."""
        return self.card.labels

    def measure(self, pixels: np.ndarray) -> Outputs:
        """(batch, height, width, 3) uint8 to logits (batch, classes) and distances (batch,), NaN for none."""
        return self.measure_both(pixels)[1] if self.averaged else self._run(pixels)

    def measure_both(self, pixels: np.ndarray) -> tuple[Outputs, Outputs]:
        """The results of `measure` for single images, and averaged over their flips and quarter turns."""
        seen = [self._run(view) for view in views(pixels, self.card.training.get("mirrored"))]
        logits, distances = ([each[index] for each in seen] for index in (0, 1))
        return seen[0], (np.mean(logits, axis=0), np.mean(distances, axis=0))

    def _run(self, pixels: np.ndarray) -> Outputs:
        found, step = [], self.at_once or max(len(pixels), 1)
        for start in range(0, max(len(pixels), 1), step):
            images = np.ascontiguousarray(pixels[start : start + step], np.float32)
            with self.turns:
                logits, *others = self.session.run(None, {self.input: images})
            found.append((logits, others[0] if others else np.full(len(images), np.nan)))
        return self._joined(found)

    def predict(self, pixels: np.ndarray) -> Predictions:
        """(batch, height, width, 3) uint8 to calibrated probabilities and decisions."""
        return decide(*self.measure(pixels), self.calibration, self.card.prior, self.card.labels)

    def measure_many(self, pixels: np.ndarray, members: np.ndarray, batch_size: int = 64) -> Outputs:
        """Logits (members, classes) and distances (members,) of the images at `members`, a batch at a time."""
        return self._joined(self._batches(self.measure, pixels, members, batch_size))

    def measure_many_both(self, pixels: np.ndarray, members: np.ndarray) -> tuple[Outputs, Outputs]:
        """The results of `measure_both` for the images at `members`, in batches."""
        found = self._batches(self.measure_both, pixels, members)
        return self._joined([single for single, _ in found]), self._joined([averaged for _, averaged in found])

    def _batches(
        self, measure: Callable[[np.ndarray], _Measured], pixels: np.ndarray, members: np.ndarray, size: int = 64
    ) -> list[_Measured]:
        """Batches beside each other, where each has one thread: that takes half the CPU of threads that share one."""
        batches = [members[start : start + size] for start in range(0, len(members), size)]
        with ThreadPoolExecutor(usable_cores() if self.threads == 1 else 1) as threads:
            return list(threads.map(lambda batch: measure(pixels[batch]), batches))

    def _joined(self, parts: Sequence[Outputs]) -> Outputs:
        if not parts:
            return np.empty((0, len(self.labels))), np.empty(0)
        return np.concatenate([logits for logits, _ in parts]), np.concatenate([distances for _, distances in parts])

    def predict_many(self, pixels: np.ndarray, members: np.ndarray) -> Predictions:
        """Predictions for the images at `members`."""
        return decide(*self.measure_many(pixels, members), self.calibration, self.card.prior, self.card.labels)


def views(images: np.ndarray, without_mirrored: bool | None = False) -> list[np.ndarray]:
    """An image's flips and quarter turns, itself first: eight of a square one, four of another; (batch, h, w, 3).

    without_mirrored: for a graph that looks at mirror images itself, half of them do.
    """
    turns = range(4) if images.shape[1] == images.shape[2] else (0, 2)
    turned = [np.rot90(images, turn, axes=(1, 2)) for turn in turns]
    return turned if without_mirrored else turned + [view[:, :, ::-1] for view in turned]


def choose_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` is a GPU where ONNX Runtime supports one. Raises `MissingError` if it is not there."""
    import onnxruntime

    available = _PROVIDERS["cuda"][0] in onnxruntime.get_available_providers()
    if device == "auto":
        return "cuda" if available else "cpu"
    if device == "cuda" and not available:
        raise MissingError("--device cuda: this ONNX Runtime has no support for it; install onnxruntime-gpu")
    return device


def row_fingerprint(card: Card, device: str, averaged: bool, batch_size: int) -> dict[str, str | int]:
    """Everything that a row depends on besides its file, on this machine, for comparing jobs."""
    import onnxruntime
    import PIL

    return {
        "model": card.full_label,
        "diagnoses": card.labels.name,
        "version of pixels": PIXELS_VERSION,
        "version of lesionflow": __version__,
        "version of ONNX Runtime": onnxruntime.__version__,
        "version of Pillow": PIL.__version__,
        "device": device,
        "--tta": "yes" if averaged else "no",
        "images in a batch": batch_size,
    }


def load_predictor(
    folder: str | os.PathLike[str], threads: int | None = None, device: str = "cpu", averaged: bool = False
) -> Predictor:
    """Load and verify the bundle in a folder. Raises `BundleError`, or `MissingError` if the device is missing."""
    return Predictor(*read_bundle(folder), threads=threads, device=device, averaged=averaged)


def predict_batch(
    predictor: Predictor, images: Sequence[_Image], decode: Callable[[_Image, int, int], np.ndarray]
) -> list[Row]:
    """Score images that are held in memory or named one by one, as one batch; failed images carry the error.

    images: whatever `decode` takes; decode: from an image, a height and a width to (height, width, 3) uint8; it may
    raise `ImageError`. Returns one for each image, in their order.
    """
    height, width = predictor.card.height, predictor.card.width
    # What cannot be decoded stays black, as in `scoring.engines.local`.
    pixels = np.zeros((len(images), height, width, 3), np.uint8)
    failures: dict[int, ImageError] = {}
    for index, image in enumerate(images):
        try:
            pixels[index] = decode(image, height, width)
        except ImageError as error:
            failures[index] = error
    said = predictor.predict(pixels).one_by_one()
    return [
        Row("", None, failures[index].reason, failures[index].detail) if index in failures else Row("", prediction)
        for index, prediction in enumerate(said)
    ]


def only_frame(source: str | os.PathLike[str] | bytes, height: int, width: int) -> np.ndarray:
    """The pixels of an image file or its bytes; files with several frames are refused, as only one would be used."""
    frames = decode_frames(source, height, width)
    _, image = next(frames)
    if next(frames, None) is not None:
        raise ImageError("unsupported", "several frames in one file; 'lesionflow score' gives each a row")
    if isinstance(image, ImageError):
        raise image
    return image.pixels
