import hashlib
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
    first = decoded_pixels(*images.files, 24, 32, tmp_path, progress=lambda done, total: calls.append(done))
    assert first.shape == (150, 24, 32, 3) and calls[-1] == 150
    for index in (0, 77, 149):
        np.testing.assert_array_equal(first[index], decode(paths[index], 24, 32))

    def never(*_: object) -> None:
        raise AssertionError("decoded a second time")

    monkeypatch.setattr(cache_module, "decode", never)
    np.testing.assert_array_equal(decoded_pixels(*images.files, 24, 32, tmp_path), first)
    monkeypatch.undo()
    assert decoded_pixels(*images.files, 16, 16, tmp_path).shape == (150, 16, 16, 3)
    assert decoded_pixels(paths[:9], images.files[1][:9], 24, 32, tmp_path).shape == (9, 24, 32, 3)
    assert len(list(tmp_path.iterdir())) == 3


def test_pixels_are_kept_alike_where_a_system_claims_no_space(
    demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As macOS and Windows, which have no `posix_fallocate`; the latter renames no file that is open."""
    images = read_labelled_images(demo_folder)
    claimed = decoded_pixels(*images.files, 8, 8, tmp_path / "claimed")
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.setattr(cache_module, "_AT_ONCE", 1000)
    replace, still_open = os.replace, list[bool]()

    def rename(partial: Path, file: Path) -> None:
        still_open.append(str(partial) in Path("/proc/self/maps").read_text())
        replace(partial, file)

    monkeypatch.setattr(os, "replace", rename)
    np.testing.assert_array_equal(decoded_pixels(*images.files, 8, 8, tmp_path / "written"), claimed)
    one, other = (next((tmp_path / name).iterdir()) for name in ("claimed", "written"))
    assert one.read_bytes() == other.read_bytes() and still_open == [False]


def test_a_cached_file_that_was_cut_or_is_no_array_is_decoded_again(demo_folder: Path, tmp_path: Path) -> None:
    images = read_labelled_images(demo_folder)
    whole = np.array(decoded_pixels(*images.files, 8, 8, tmp_path))
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    others = np.zeros((3, 8, 8, 3), np.uint8)
    for damaged in content[:-1], content[:50], b"", b"no array", b"PK" + content:
        file.write_bytes(damaged)
        np.testing.assert_array_equal(decoded_pixels(*images.files, 8, 8, tmp_path), whole)
        assert file.read_bytes() == content
    np.save(file, others)
    np.testing.assert_array_equal(decoded_pixels(*images.files, 8, 8, tmp_path), whole)


def test_an_image_that_is_replaced_after_the_data_set_was_read_is_not_taken_for_the_one_before(
    demo_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(demo_folder, tmp_path / "set"))
    images = read_labelled_images(folder)
    first, second = sorted(folder.glob("*/*.jpg"))[:2]
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    with pytest.raises(
        DataError, match=rf"1 of 150 images has changed since the data set was read: .*{first.name}; give"
    ):
        decoded_pixels(*images.files, 8, 8, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    first.write_bytes(kept)
    np.testing.assert_array_equal(decoded_pixels(*images.files, 8, 8, tmp_path / "cache")[0], decode(first, 8, 8))


def test_unreadable_images_are_counted_and_named_and_leave_nothing(demo_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(demo_folder, tmp_path / "set"))
    broken = sorted(folder.glob("*/*.jpg"))[:2]
    for file in broken:
        file.write_bytes(file.read_bytes()[:300])
    images = read_labelled_images(folder)
    with pytest.raises(DataError, match=r"2 of 150 images cannot be decoded: .*damaged"):
        decoded_pixels(*images.files, 24, 24, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


DECODES = """
import sys
from pathlib import Path
from lesionflow.images.pixel_cache import decoded_pixels

def told(done, total):
    print("decoding", flush=True)
    sys.stdin.read()

decoded_pixels([sys.argv[1]], [sys.argv[2]], int(sys.argv[3]), 16, Path(sys.argv[4]), told)
"""


def test_what_a_killed_process_decoded_goes_at_the_next_run_and_what_a_living_one_decodes_stays(
    demo_folder: Path, tmp_path: Path
) -> None:
    path, folder = str(next(demo_folder.glob("*/*.jpg"))), tmp_path / "cache"
    content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    processes = {}
    for name, height in ("killed", "8"), ("living", "24"):
        command = [sys.executable, "-c", DECODES, path, content, height, str(folder)]
        processes[name] = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        told = processes[name].stdout
        assert told and told.read(8) == b"decoding"
    assert len(os.listdir(folder)) == 2
    processes["killed"].send_signal(signal.SIGKILL)
    processes["killed"].communicate()
    decoded_pixels([path], [content], 16, 16, folder)
    assert len(os.listdir(folder)) == 2
    processes["living"].communicate()
    assert processes["living"].returncode == 0
    assert sorted(file.suffix for file in folder.iterdir()) == [".npy", ".npy"]


def test_up_to_twenty_unreadable_images_are_named_and_where_all_are_listed() -> None:
    check_all_decoded([], 30)
    with pytest.raises(DataError, match=r"i19 \(damaged\) and 2 more; replace .* rows out .*'lesionflow describe DATA"):
        check_all_decoded([f"i{index} (damaged)" for index in range(22)], 30)


def test_a_cache_that_cannot_be_written_says_so(demo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="--cache"):
        decoded_pixels([], [], 8, 8, tmp_path / "file" / "cache")
