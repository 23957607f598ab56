import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.errors import DataError
from lesionflow.images import pixel_cache as cache_module
from lesionflow.images.decode import decode
from lesionflow.images.pixel_cache import check_all_decoded, decoded_pixels


def test_decodes_once_and_in_order(demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = read_labelled_images(demo_folder)
    paths = images.table["path"].tolist()
    calls = []
    first = decoded_pixels(paths, images.digest, 24, 32, tmp_path, progress=lambda done, total: calls.append(done))
    assert first.shape == (150, 24, 32, 3) and calls[-1] == 150
    for index in (0, 77, 149):
        np.testing.assert_array_equal(first[index], decode(paths[index], 24, 32))

    def never(*_: object) -> None:
        raise AssertionError("decoded a second time")

    monkeypatch.setattr(cache_module, "decode", never)
    np.testing.assert_array_equal(decoded_pixels(paths, images.digest, 24, 32, tmp_path), first)
    monkeypatch.undo()
    assert decoded_pixels(paths, images.digest, 16, 16, tmp_path).shape == (150, 16, 16, 3)
    assert decoded_pixels(paths, "another digest", 24, 32, tmp_path).shape == first.shape
    assert len(list(tmp_path.iterdir())) == 3


def test_unreadable_images_are_counted_and_named_and_leave_nothing(demo_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(demo_folder, tmp_path / "set"))
    broken = sorted(folder.glob("*/*.jpg"))[:2]
    for file in broken:
        file.write_bytes(file.read_bytes()[:300])
    images = read_labelled_images(folder)
    with pytest.raises(DataError, match=r"2 of 150 images cannot be decoded: .*damaged"):
        decoded_pixels(images.table["path"].tolist(), images.digest, 24, 24, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


DECODES = """
import sys
from pathlib import Path
from lesionflow.images.pixel_cache import decoded_pixels

def told(done, total):
    print("decoding", flush=True)
    sys.stdin.read()

decoded_pixels([sys.argv[1]], sys.argv[2], 16, 16, Path(sys.argv[3]), told)
"""


def test_what_a_killed_process_decoded_goes_at_the_next_run_and_what_a_living_one_decodes_stays(
    demo_folder: Path, tmp_path: Path
) -> None:
    path, folder = str(next(demo_folder.glob("*/*.jpg"))), tmp_path / "cache"
    processes = {}
    for name in ("killed", "living"):
        command = [sys.executable, "-c", DECODES, path, name, str(folder)]
        processes[name] = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        told = processes[name].stdout
        assert told and told.read(8) == b"decoding"
    assert len(os.listdir(folder)) == 2
    processes["killed"].send_signal(signal.SIGKILL)
    processes["killed"].communicate()
    decoded_pixels([path], "next", 16, 16, folder)
    assert len(os.listdir(folder)) == 2
    processes["living"].communicate()
    assert processes["living"].returncode == 0
    assert sorted(file.suffix for file in folder.iterdir()) == [".npy", ".npy"]


def test_up_to_twenty_unreadable_images_are_named_and_where_all_are_listed() -> None:
    check_all_decoded([], 30)
    with pytest.raises(DataError, match=r"i19 \(damaged\) and 2 more; replace .* rows out .*`lesionflow describe DATA"):
        check_all_decoded([f"i{index} (damaged)" for index in range(22)], 30)


def test_a_cache_that_cannot_be_written_says_so(demo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="--cache"):
        decoded_pixels([], "digest", 8, 8, tmp_path / "file" / "cache")
