"""Stores that are not there, down, hanging, of another MLflow, or whose champion is spoilt."""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import mlflow
import pytest

from lesionflow.health.check import OK, PROBLEM, WARNING, Check
from lesionflow.health.store import Store, _age, check_store, find_store, inspect_store
from lesionflow.model.card import VALIDATION_FILE
from lesionflow.registry.lookup import find_entry
from tests.contenders import NAME
from tests.registry.serving import free_port

PASSWORD = "ge/h@eim"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as `doctor` does where nobody has set anything, but for shorter."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask in this process, which has MLflow already; another one takes seconds to import it."""

    def ask(_: str, address: str, name: str, **__: object) -> object:
        return json.loads(json.dumps(inspect_store(address, name)))

    monkeypatch.setattr("lesionflow.health.store.asked_elsewhere", ask)
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # what an address is rid of is put there, and this brings back what was


@pytest.fixture
def hanging() -> Iterator[int]:
    """The port of a server that accepts and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def only(address: str) -> Check:
    (check,), artifacts = check_store(Store(address, "as given"), "lesionflow")
    assert artifacts is None
    return check


def test_looking_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = find_store(None)
    assert store.address == "sqlite:///mlflow.db" and "default" in store.source
    ((check,), _) = check_store(store, "lesionflow")
    assert check.state == OK and "not there yet" in check.found
    assert only(f"sqlite:///{tmp_path}/mlfow.db").state == WARNING
    assert [*tmp_path.iterdir()] == []


def test_a_version_from_a_clock_that_is_ahead_has_no_negative_age() -> None:
    assert [_age(days) for days in (-1, 0.5, 3)] == ["less than an hour ago", "12 hours ago", "3 days ago"]


def test_a_damaged_database_is_told_without_asking_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow reads some of its pages only, and asking takes as long as importing it."""
    file, page = tmp_path / "mlflow.db", 4096
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA page_size = {page}")
        database.execute("CREATE TABLE metrics (key TEXT PRIMARY KEY, value REAL)")
        database.executemany("INSERT INTO metrics VALUES (?, ?)", ((f"epoch/{n:040}", n) for n in range(2000)))
        database.commit()
    monkeypatch.setattr("lesionflow.health.store.asked_elsewhere", lambda *given, **more: pytest.fail("was asked"))
    content = bytearray(file.read_bytes())
    content[20 * page : 21 * page] = bytes(page)
    file.write_bytes(content)
    check = only(f"sqlite:///{file}")
    assert (check.state, check.advice) == (PROBLEM, "restore it from a copy") and "damaged" in check.found


@contextlib.contextmanager
def sealed(folder: Path) -> Iterator[None]:
    """Let a folder take no files, of root either."""
    folder.chmod(0o555)
    chattr = shutil.which("chattr")
    if chattr and os.access(folder, os.W_OK):
        subprocess.run([chattr, "+i", str(folder)], capture_output=True, check=False)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("root may write everywhere here")
        yield
    finally:
        if chattr:
            subprocess.run([chattr, "-i", str(folder)], capture_output=True, check=False)
        folder.chmod(0o755)


def test_a_store_that_no_training_can_write_is_not_ok(
    here: None, contenders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with sealed(tmp_path / "empty"):
        ((check,), _) = check_store(find_store(None), "lesionflow")
    assert check.state == WARNING and "not there yet" in check.found and "cannot be written" in check.advice

    (tmp_path / "there").mkdir()
    shutil.copy(contenders / "mlflow.db", tmp_path / "there")
    with sealed(tmp_path / "there"):
        checks, _ = check_store(Store(f"sqlite:///{tmp_path}/there/mlflow.db", "as given"), NAME)
    assert [check.found for check in checks if check.state == WARNING] == ["can be read, not written"]


def test_an_address_says_where_it_is_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host")
    assert find_store("http://host").source == "from MLFLOW_TRACKING_URI"
    assert find_store("http://other") == Store("http://other", "as given")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").touch()
    assert find_store(None).address == "mlruns"


def test_a_server_that_accepts_and_never_answers(hanging: int) -> None:
    check = only(f"http://127.0.0.1:{hanging}")
    assert check.state == PROBLEM and "no answer within 2 s" in check.found


@pytest.mark.usefixtures("here")
def test_no_password_of_a_store_that_is_down_is_told(hanging: int) -> None:
    for address, told in (
        (f"http://ann:{PASSWORD}@127.0.0.1:{free_port()}", "nothing answers there"),
        (f"postgresql+psycopg2://ann:{PASSWORD}@127.0.0.1:{hanging}/mlflow", "127.0.0.1"),
        (f"postgresql+psycopg2://127.0.0.1:{hanging}/mlflow?user=ann&password={PASSWORD}", "password=***"),
        (f"postgresql+psycopg2://ann:{quote(PASSWORD, safe='')}@127.0.0.1:{hanging}/mlflow", "timeout expired"),
        (f"postgresql+nodriver://ann:{PASSWORD}@127.0.0.1/mlflow", "nodriver"),
    ):
        check = only(address)
        assert check.state == PROBLEM and told in check.found, check
        for secret in ("ge/h", "eim", quote(PASSWORD, safe="")):
            assert secret not in str(check)


@pytest.fixture
def address(contenders: Path) -> str:
    """The address of a store whose model `lesionflow` has a champion."""
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")
    return f"sqlite:///{contenders}/mlflow.db"


@pytest.mark.usefixtures("here")
def test_a_good_store_is_told_with_champion_and_what_was_interrupted(address: str, contenders: Path) -> None:
    run_id = mlflow.MlflowClient().create_run("0", tags={"registered_model": NAME}).info.run_id
    mlflow.MlflowClient().set_terminated(run_id, "KILLED")
    before = (contenders / "mlflow.db").read_bytes()
    checks, artifacts = check_store(Store(address, "as given"), NAME)
    told = {check.what: check for check in checks}
    assert {check.state for check in checks} == {OK}, checks
    assert "answers in" in told["store"].found and "registered models: 1" in told["store"].found
    assert f"{NAME}/1" in told["champion"].found and "registered less than an hour ago" in told["champion"].found
    assert "all digests are right" in told["champion"].found
    assert told["training"].advice == f"to resume it: lesionflow train --resume {run_id}"
    assert artifacts is not None and artifacts.is_absolute()
    assert (contenders / "mlflow.db").read_bytes() == before
    assert [file.name for file in contenders.iterdir()] == ["mlflow.db"]


@pytest.mark.usefixtures("here")
def test_a_spoilt_champion_is_a_problem(address: str, contenders: Path) -> None:
    entry = find_entry(NAME, "champion", None, address)
    assert entry is not None
    logged = shutil.copytree(entry.bundle.parents[1], contenders / "spoilt")
    validation = logged / "data" / entry.bundle.name / VALIDATION_FILE
    validation.write_bytes(b"other")
    change(
        contenders, f"UPDATE model_versions SET storage_location = '{logged}', source = '{logged}' WHERE version = 1"
    )
    checks, _ = check_store(Store(address, "as given"), NAME)
    (champion,) = (check for check in checks if check.what == "champion")
    assert champion.state == PROBLEM and "altered since it was trained (digest differs)" in champion.found
    assert champion.advice.endswith(f": lesionflow rollback {NAME}")
    validation.unlink()  # as before a bundle is published; scoring does without
    checks, _ = check_store(Store(address, "as given"), NAME)
    (champion,) = (check for check in checks if check.what == "champion")
    assert champion.state == OK and f"right, but {VALIDATION_FILE} is missing" in champion.found


def test_no_password_of_a_registry_apart_is_told(address: str, hanging: int, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = f"postgresql+psycopg2://ann:{PASSWORD}@127.0.0.1:{hanging}/mlflow"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry)
    monkeypatch.setattr("lesionflow.health.store.SECONDS", 20)  # MLflow itself would try for 100
    check = only(address)
    assert check.state == PROBLEM and "ge/h" not in str(check) and "eim" not in str(check), check


@pytest.mark.usefixtures("here")
def test_tables_of_another_mlflow_are_told_and_left_alone(address: str, contenders: Path) -> None:
    change(contenders, "UPDATE alembic_version SET version_num = '0c779009ac13'")
    before = (contenders / "mlflow.db").read_bytes()
    check = only(address)
    assert check.state == PROBLEM and "0c779009ac13, this MLflow's is" in check.found
    assert f"mlflow db upgrade {address}" in check.advice and "older clients" in check.advice
    assert (contenders / "mlflow.db").read_bytes() == before
    (contenders / "empty.db").touch()
    check = only(f"sqlite:///{contenders}/empty.db")
    assert check.state == OK and "an empty database" in check.found
    assert (contenders / "empty.db").read_bytes() == b""
    (contenders / "text.db").write_text("no database, but long enough to be taken for one" * 99)
    assert "the file is not an SQLite database" in only(f"sqlite:///{contenders}/text.db").found


def change(folder: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute(statement)
        database.commit()
