"""The registered model behind `mlflow models serve`, started and asked with the lines that the documentation shows."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionflow.model.columns import report_columns
from lesionflow.model.pyfunc import output_columns
from tests.conftest import invoke
from tests.images.test_dicom import dicom
from tests.registry.serving import free_port, server_environment, wait_for

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how_to" / "serve_a_model.md").read_text()
NUMBERS = [name for name, kind in output_columns().items() if kind == "double"]
WORDS = [name for name, kind in output_columns().items() if kind == "string" and name != "model"]


def shown(name: str, port: int) -> str:
    """The command that the page shows under a name, at another port."""
    (found,) = re.findall(rf"^```{name}\n(.*?)^```$", PAGE, re.M | re.S)
    assert "5001" in found
    return str(found).replace("5001", str(port))


@dataclass(frozen=True)
class Server:
    folder: Path  # of the user who has started it
    port: int

    def ask(self, body: bytes) -> tuple[int, Any]:
        """The status of an answer, and its content if that is JSON to the letter: NaN is none."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/invocations", body)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        return status, json.loads(content, parse_constant=refused)

    def say(self, *images: object) -> list[dict[str, Any]]:
        """The answers for images, each as it stands in the JSON."""
        status, content = self.ask(json.dumps({"dataframe_records": [{"image": image} for image in images]}).encode())
        assert status == 200, content
        assert list(content) == ["predictions"] and len(content["predictions"]) == len(images)
        return list(content["predictions"])


def refused(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def base64(content: bytes) -> str:
    return b64encode(content).decode()


@pytest.fixture(scope="module")
def server(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests, as it takes many seconds to begin, over a store in its working directory."""
    folder, port = tmp_path_factory.mktemp("serving"), free_port()
    shutil.copy(trained_store / "mlflow.db", folder / "mlflow.db")
    environment = server_environment() | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1",  # beside the code that is stored with the model, which other tests look at
    }
    with open(folder / "said.txt", "wb") as said:
        process = subprocess.Popen(
            ["bash", "-c", shown("serve", port)],
            cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}", process, folder / "said.txt")
        yield Server(folder, port)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@pytest.fixture
def good(demo_folder: Path) -> bytes:
    return min(demo_folder.rglob("*.jpg")).read_bytes()


def test_files_get_what_the_report_says_of_them(server: Server, store: Path, demo_folder: Path, good: bytes) -> None:
    files = {f"{place:02}.jpg": file.read_bytes() for place, file in enumerate(sorted(demo_folder.rglob("*.jpg"))[:20])}
    png = io.BytesIO()
    Image.open(io.BytesIO(good)).save(png, "PNG")
    files |= {"20.png": png.getvalue(), "21.jpg": good[:500], "22.jpg": b"", "23.png": b"no image"}
    large = io.BytesIO()
    Image.new("1", (9000, 9000)).save(large, "PNG")
    files |= {"24.png": large.getvalue(), "25.dcm": dicom(np.zeros((16, 16), np.uint8), "MONOCHROME2")}
    Path("images").mkdir()
    for name, content in files.items():
        Path("images", name).write_bytes(content)
    assert invoke("score", "images", "--out", "results.csv").exit_code == 3
    rows = list(csv.DictReader(Path("results.csv").read_text().splitlines()))
    answers = server.say(*map(base64, files.values()))
    assert set(answers[0]) == {*report_columns()} - {"path"}
    for row, answer in zip(rows, answers, strict=True):
        assert {name: answer[name] or "" for name in WORDS} == {name: row[name] for name in WORDS}
        for name in NUMBERS:
            if row["status"] == "ok":
                assert answer[name] == pytest.approx(float(row[name]), abs=2e-6)
            else:
                assert answer[name] is None
    assert [answer["status"] for answer in answers] == [*["ok"] * 21, *["error"] * 4, "ok"]
    said = {answer["model"] for answer in answers}
    assert len(said) == 1 and re.fullmatch(r"(cnn|vgg)@[0-9a-f]{12} \(demo data\)", said.pop())


def test_the_readmes_curl_gets_the_answer(server: Server, good: bytes, tmp_path: Path) -> None:
    (tmp_path / "image.jpg").write_bytes(good)
    asked = ["bash", "-euo", "pipefail", "-c", shown("curl", server.port)]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    (answer,) = json.loads(done.stdout)["predictions"]
    assert answer == server.say(base64(good))[0] and answer["error"] is None


def test_one_broken_image_of_a_request_does_not_fail_its_neighbours(server: Server, good: bytes) -> None:
    two_frames = dicom(np.zeros((2, 16, 16), np.uint8), "MONOCHROME2", frames=2)
    broken = {
        "empty: the file has no bytes": None,
        "not_an_image: the text is not base64 of a file": "no base64 at all!",
        "not_an_image: neither bytes nor base64 but of type int": 7,
        "unsupported: several frames in one file; 'lesionflow score' gives each a row": base64(two_frames),
        "not_an_image: the content is none of JPEG, PNG, TIFF, WEBP, BMP, GIF, JPEG 2000, AVIF, HEIF, DICOM": base64(
            b"no image"
        ),
    }
    alone = server.say(base64(good))[0]
    for error, value in broken.items():
        first, wrong, last = server.say(base64(good), value, base64(good))
        assert wrong["error"] == error and wrong["status"] == "error"
        assert {wrong[name] for name in (*NUMBERS, "diagnosis", "malignant", "refer")} == {None}
        for answer in (first, last):
            assert answer["status"] == "ok"
            assert [answer[name] for name in NUMBERS] == pytest.approx([alone[name] for name in NUMBERS], abs=1e-6)


def test_all_forms_of_a_request_mean_the_same(server: Server, good: bytes) -> None:
    one, two = base64(good), "data:image/jpeg;base64," + base64(good)
    wrapped = "\n".join(re.findall(".{1,76}", one))
    expected = server.say(one, two, wrapped, None)
    assert [answer["status"] for answer in expected] == ["ok", "ok", "ok", "error"]
    images = [one, two, wrapped, None]
    forms: tuple[dict[str, object], ...] = (
        {"dataframe_split": {"columns": ["image"], "data": [[image] for image in images]}},
        {"inputs": [{"image": image} for image in images]},
        {"inputs": {"image": images}},
        {"inputs": {"image": [one, two]}},
        {"instances": [{"image": image} for image in images]},
        {"dataframe_records": [{"image": image, "patient": 3} for image in images]},
    )
    for form in forms:
        status, content = server.ask(json.dumps(form).encode())
        assert status == 200, content
        found = content["predictions"]
        assert [answer["status"] for answer in found] == ["ok", "ok", "ok", "error"][: len(found)] and len(found) >= 2
        assert [found[0][name] for name in NUMBERS] == pytest.approx([expected[0][name] for name in NUMBERS], abs=1e-6)


@pytest.mark.parametrize(
    "body",
    [b"", b"no JSON", b"[]", b"{}", b'{"dataframe_records": [{"picture": "AAAA"}]}', b'{"dataframe_records": 3}'],
)
def test_what_is_no_request_is_refused_and_the_server_goes_on(server: Server, good: bytes, body: bytes) -> None:
    status, content = server.ask(body)
    assert status == 400 and content["error_code"] in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")
    assert server.say(base64(good))[0]["status"] == "ok"


def test_csv_is_refused_with_words_and_the_server_says_which_model_answers(server: Server, good: bytes) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/invocations", b"image\n" + b64encode(good))
    request.add_header("Content-Type", "text/csv")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=120)
    with refused.value as error:
        assert error.code == 400 and json.loads(error.read())["error_code"] == "BAD_REQUEST"
    status, content = server.ask(b'{"inputs": {"image": [null]}}')
    assert status == 200 and content["predictions"][0]["model"] == server.say(base64(good))[0]["model"]
