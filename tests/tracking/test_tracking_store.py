"""Stores that are missing, of another MLflow or moved: nobody makes, changes or loses one by the way."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lesionflow
from lesionflow.errors import RegistryError, UsageError
from lesionflow.registry.config import check_model_name
from lesionflow.storage.location import local_path
from lesionflow.tracking import runs, tracking_store
from lesionflow.tracking.client import mlflow, registry_errors, set_again
from lesionflow.tracking.database import MissingStoreError, prepare, read_schema
from lesionflow.tracking.tracking_store import (
    connect,
    explain_moved,
    find_or_create_experiment,
    kept_addresses,
    kept_settings,
    move_addresses,
)
from tests.conftest import error_line, invoke, working_in
from tests.contenders import NAME
from tests.scoring.test_score import bound_by_permissions
from tests.tracking.first_touch import touch

ESCAPED = ("my möles", "50%20off a%b #c?d+e;f&g")  # names of folders
OLDER = "75868b020152"  # the revision before the one of MLflow 3.17


def downgrade(database: Path) -> None:
    """Take the last migration of MLflow 3.17 back."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{database}")
    command.downgrade(config, OLDER)


@pytest.fixture(scope="module")
def older_store(contender_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("older")
    with working_in(folder, like=contender_store):
        mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")
    downgrade(folder / "mlflow.db")
    return folder


@pytest.fixture
def older(older_store: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the contenders' store of an older MLflow, in the working directory."""
    with working_in(tmp_path, like=older_store):
        yield tmp_path / "mlflow.db"


def test_who_reads_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path}/mlflow.db"
    (tmp_path / "images").mkdir()
    for command in (
        ("history",), ("score", "images", "--out", "results.csv"), ("compare", "models:/lesionflow/1"),
        ("export", "models:/lesionflow/1", "bundle"),
    ):  # fmt: skip
        result = invoke(*command, "--tracking-uri", address)
        assert result.exit_code == 1 and f"there is none at {address}" in error_line(result), result.output
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
    with pytest.raises(MissingStoreError):
        connect(address)


@pytest.mark.parametrize("command", [("history",), ("train", "--data", "moles.csv")])
@pytest.mark.parametrize("name", ["mlflow.db", "deeper/mlflow.db", "store"])
def test_the_path_of_a_database_is_no_address_and_the_message_says_which_is(
    command: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moles.csv").touch()
    (tmp_path / "store").touch()
    for given in (name, str(tmp_path / name)):
        result = invoke(*command, "--tracking-uri", given)
        told = f"{given}: a path, where the address of a store belongs; write sqlite:///{given}"
        assert result.exit_code == 2 and told in error_line(result), result.output
    assert {path.name for path in tmp_path.iterdir()} == {"moles.csv", "store"}


@pytest.fixture(scope="module")
def touched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of folders whose stores were all touched first at once, the one in `twice` by two processes."""
    folder = tmp_path_factory.mktemp("touched")
    for name in ("twice", *ESCAPED):
        (folder / name).mkdir()
    touch(folder / "twice", folder / "twice", *(folder / name for name in ESCAPED))
    return folder


def test_two_first_touches_at_once(touched: Path) -> None:
    with contextlib.closing(sqlite3.connect(touched / "twice" / "mlflow.db")) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (2,)
        assert database.execute("SELECT count(*) FROM experiments").fetchone() == (2,)
    assert [path.name for path in (touched / "twice").iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("name", ESCAPED)
def test_a_folder_whose_name_an_address_escapes(name: str, touched: Path) -> None:
    assert {path.name for path in touched.iterdir()} == {"twice", *ESCAPED}
    assert [path.name for path in (touched / name).iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize(("name", "later"), [("50%20off", "100%25#?"), ("a%b #c?d+e", "moles"), ("moles", "50%20off")])
def test_artifacts_stay_in_their_folder_whatever_it_is_called(
    name: str, later: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    connect(writes=True)
    client = mlflow.MlflowClient()
    run = client.create_run(find_or_create_experiment("a/b")).info
    client.log_text(run.run_id, "here", "a.txt")
    assert Path(str(local_path(run.artifact_uri)), "a.txt").read_text() == "here"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    (tmp_path / name).rename(tmp_path / later)
    monkeypatch.chdir(tmp_path / later)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    connect()
    with pytest.raises(RegistryError, match="move-store"):
        find_or_create_experiment("a/b")
    move_addresses(tmp_path / name, tmp_path / later, "sqlite:///mlflow.db")
    assert find_or_create_experiment("a/b") == run.experiment_id
    assert Path(mlflow.MlflowClient().download_artifacts(run.run_id, "a.txt")).read_text() == "here"
    assert [path.name for path in tmp_path.iterdir()] == [later]


def test_paths_that_lead_to_their_artifacts_are_not_rewritten_to_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    connect(writes=True)
    run = mlflow.MlflowClient().create_run(find_or_create_experiment("moles")).info
    mlflow.MlflowClient().log_text(run.run_id, "here", "a.txt")
    refused = invoke("move-store", ".", "../elsewhere")
    assert refused.exit_code == 1 and "give the folder that it was moved from, then the one" in error_line(refused)
    assert mlflow.MlflowClient().get_run(run.run_id).info.artifact_uri == run.artifact_uri
    assert {path.name for path in tmp_path.glob("here/*")} == {"mlflow.db", "mlruns"}


def test_of_a_deleted_experiment_it_is_said_what_restoring_it_brings_back(tmp_path: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    client, experiment = mlflow.MlflowClient(), find_or_create_experiment("moles")
    client.delete_run(client.create_run(experiment).info.run_id)
    client.delete_experiment(experiment)
    with pytest.raises(RegistryError, match="with all of its runs, those too that were deleted before it"):
        find_or_create_experiment("moles")
    client.restore_experiment(experiment)
    assert len(client.search_runs([experiment])) == 1


def test_an_older_store_is_read_and_not_changed(older: Path) -> None:
    before = older.read_bytes()
    listed = invoke("history", NAME)
    assert listed.exit_code == 0 and f"the champion is {NAME}/1" in listed.stderr, listed.output
    compared = invoke("compare", f"models:/{NAME}/1", f"models:/{NAME}/2")
    assert compared.exit_code == 0, compared.output
    for command in (("promote", NAME, "2"), ("rollback", NAME), ("train", "--data", "demo")):
        refused = invoke(*command)
        line = error_line(refused)
        assert refused.exit_code == 1 and "1 migration (add job executor persistence model)" in line
        assert "older clients can no longer open it" in line and line.endswith("or add --migrate")
    assert older.read_bytes() == before and [path.name for path in older.parent.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("set_by", ["program", "environment"])
def test_who_reads_leaves_the_program_the_store_that_it_had(
    older: Path, set_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_store, "_blocks", 0)  # without the one around every test
    address = f"sqlite:///{older}"
    mlflow.set_tracking_uri("sqlite:///mine.db" if set_by == "program" else None)  # type: ignore[arg-type]
    if set_by == "environment":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    before = dict(os.environ)
    if set_by == "program":
        assert lesionflow.history(NAME, tracking_uri=address).champion == 1
    else:
        assert len(lesionflow.compare([f"models:/{NAME}/1"], tracking_uri=address).models) == 1
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == ("sqlite:///mine.db",) * 2
    assert dict(os.environ) == before


@pytest.mark.parametrize("uses", ["a store that it set", "a run in MLflow's default store"])
def test_who_writes_leaves_the_program_the_store_that_it_uses(
    contenders: Path, uses: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_store, "_blocks", 0)  # without the one around every test
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path / "own")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    mlflow.set_tracking_uri("sqlite:///mine.db" if uses == "a store that it set" else None)  # type: ignore[arg-type]
    named = f"sqlite:///{contenders}/mlflow.db"
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with mlflow.start_run() as own:
        assert lesionflow.promote(NAME, 1, tracking_uri=named).promoted
        assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == before
        mlflow.log_metric("mine", 1)
        with (
            pytest.raises(UsageError, match=rf"active run {own.info.run_id} is not in {named}; end it"),
            kept_settings(),
        ):
            connect(named, writes=True)
            with runs.run("elsewhere", "lesionflow"):
                pass
    assert mlflow.get_run(own.info.run_id).data.metrics == {"mine": 1}
    assert mlflow.search_runs(search_all_experiments=True)["run_id"].tolist() == [own.info.run_id]


@pytest.mark.parametrize("wanted", [None, "true", "false"])
def test_the_machine_is_measured_unless_the_user_has_turned_that_off(
    contenders: Path, wanted: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking.fluent import run_id_to_system_metrics_monitor as measured

    monkeypatch.setattr(tracking_store, "_blocks", 0)
    names = ["MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"]
    for name, value in zip(names, (wanted, "7" if wanted else None), strict=True):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    before = {name: os.environ.get(name) for name in names}
    with kept_settings():
        connect(writes=True)
        with runs.run("measured", "lesionflow") as run_id:
            assert (run_id in measured) is (wanted != "false")
            assert wanted == "false" or measured[run_id].sampling_interval == (7 if wanted else 5)
        with runs.run("not measured", "lesionflow", system_metrics=False) as run_id:
            assert run_id not in measured
    assert {name: os.environ.get(name) for name in names} == before


def test_who_reads_chooses_no_store_for_a_program_that_chose_none(
    older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    mlflow.set_registry_uri(None)  # type: ignore[arg-type]
    (tmp_path / "elsewhere").mkdir()
    with kept_addresses():
        connect(f"sqlite:///{older}", writes=False)
        monkeypatch.chdir(tmp_path / "elsewhere")  # where MLflow's default is another one
    assert not mlflow.is_tracking_uri_set() and "MLFLOW_REGISTRY_URI" not in os.environ
    assert str(tmp_path / "elsewhere") in mlflow.get_registry_uri()


def test_an_older_store_is_migrated_when_that_is_asked_for(older: Path) -> None:
    before = read_schema(f"sqlite:///{older}")
    promoted = invoke("promote", NAME, "2", "--migrate")
    assert promoted.exit_code == 0 and "is the champion now" in promoted.stdout, promoted.output
    (backup,) = older.parent.glob("mlflow.before-migration-*.db")
    assert str(backup) in promoted.stderr
    assert read_schema(f"sqlite:///{backup}") == before and read_schema(f"sqlite:///{older}").state == "current"


def test_a_migration_that_fails_is_told_with_its_reason_and_the_way_back(older: Path) -> None:
    with contextlib.closing(sqlite3.connect(older)) as database:
        database.execute("CREATE TABLE scheduler_leases (x)")  # which the migration makes
    why = "migrating failed ((sqlite3.OperationalError) table scheduler_leases already exists); "
    read = invoke("history", NAME)
    assert read.exit_code == 1 and error_line(read).endswith(f"{why}read it with the MLflow that wrote it")
    promoted = invoke("promote", NAME, "2", "--migrate")
    (backup,) = older.parent.glob("mlflow.before-migration-*.db")
    assert promoted.exit_code == 1, promoted.output
    assert promoted.stderr.splitlines()[-1].endswith(f"{why}cp {backup} {older} restores the backup")
    assert read_schema(f"sqlite:///{backup}").found == OLDER


def test_two_migrations_at_once_are_one(older: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(prepare, f"sqlite:///{older}", writes=True, migrate=True) for _ in range(2)]
        assert [each.result() for each in asked] == [f"sqlite:///{older}"] * 2
    assert len([*older.parent.glob("mlflow.before-migration-*.db")]) == 1
    assert read_schema(f"sqlite:///{older}").state == "current"


def test_two_stores_are_migrated_at_once(older: Path) -> None:
    stores = [older, Path(shutil.copy(older, older.with_name("other.db")))]
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(prepare, f"sqlite:///{each}", writes=True, migrate=True) for each in stores]
        assert [each.result() for each in asked] == [f"sqlite:///{each}" for each in stores]
    assert {read_schema(f"sqlite:///{each}").state for each in stores} == {"current"}


def test_a_newer_store_is_said_to_be_newer(contenders: Path) -> None:
    with contextlib.closing(sqlite3.connect("mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        database.commit()
    for release, told in ("", "pip install --upgrade mlflow"), ("9.10.0", "pip install 'mlflow>=9.10.0'"):
        if release:
            with contextlib.closing(sqlite3.connect("mlflow.db")) as database:
                for version in ("9.9.0", release):
                    run_id = f"run {version}"
                    database.execute("INSERT INTO runs (run_uuid, experiment_id) VALUES (?, 0)", (run_id,))
                    database.execute("INSERT INTO tags VALUES ('mlflow_version', ?, ?)", (version, run_id))
                database.commit()
        for command in (("history", NAME), ("promote", NAME, "1", "--migrate")):
            line = error_line(invoke(*command))
            assert "written by a newer MLflow" in line and line.endswith(told) and "db upgrade" not in line
    assert [path.name for path in contenders.iterdir()] == ["mlflow.db"]


def test_where_a_store_was_moved_from(tmp_path: Path) -> None:
    (tmp_path / "new" / "mlruns" / "1").mkdir(parents=True)
    address = f"sqlite:///{tmp_path}/new/mlflow.db"
    command = f"lesionflow move-store /old {tmp_path / 'new'} --tracking-uri {address}"
    assert explain_moved("/old/mlruns/1", address).endswith(command)
    assert explain_moved("file:///old/mlruns/1", address).endswith(command)
    for elsewhere in ("/old/mlruns/2", "/1", "s3://bucket/mlruns/1", str(tmp_path / "new" / "mlruns" / "1")):
        assert explain_moved(elsewhere, address) == ""


def test_runs_of_the_caller_are_parents_and_its_experiment_is_honoured(
    contenders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow.MlflowClient()
    mine, other = (client.create_experiment(name) for name in ("mine", "other"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", mine)
    with runs.run("alone", "lesionflow", system_metrics=False) as run_id:
        assert client.get_run(run_id).info.experiment_id == mine
    with runs.run("named", "other", system_metrics=False) as run_id:
        assert client.get_run(run_id).info.experiment_id == other
    with mlflow.start_run(experiment_id=other) as outer:
        with runs.run("child", "lesionflow", system_metrics=False) as run_id:
            child = client.get_run(run_id)
        with contextlib.suppress(RuntimeError), runs.run("broken", "lesionflow", system_metrics=False) as broken:
            raise RuntimeError
        active = mlflow.active_run()
        assert active is not None and active.info.run_id == outer.info.run_id
    assert child.data.tags["mlflow.parentRunId"] == outer.info.run_id and child.info.experiment_id == other
    assert client.get_run(broken).info.status == "FAILED" and os.environ["MLFLOW_EXPERIMENT_ID"] == mine
    assert client.get_run(outer.info.run_id).info.status == "FINISHED"


def test_an_experiment_that_the_program_has_chosen_stays_its_own_when_a_run_of_another_is_resumed(
    contenders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    with runs.run("interrupted", "other", system_metrics=False) as begun:
        pass
    with kept_addresses():
        connect(f"sqlite:///{contenders}/elsewhere.db", writes=True)
        with runs.run("in another store", "theirs", system_metrics=False) as in_another:
            pass
    mine = mlflow.set_experiment("mine").experiment_id
    with runs.run("", "lesionflow", system_metrics=False, resumed=begun) as run_id:
        assert run_id == begun
    with kept_addresses():
        connect(f"sqlite:///{contenders}/elsewhere.db")
        with runs.run("", "lesionflow", system_metrics=False, resumed=in_another) as run_id:
            assert run_id == in_another
    assert os.environ["MLFLOW_EXPERIMENT_ID"] == mine
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID")  # MLflow keeps it twice
    with mlflow.start_run() as own:
        assert own.info.experiment_id == mine


def test_a_run_that_fails_while_its_database_is_locked_does_not_run_for_ever(
    contenders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, refused = mlflow.MlflowClient.set_terminated, [True, True]

    def locked_at_first(self: mlflow.MlflowClient, *given: object) -> None:
        if refused:
            refused.pop()
            raise mlflow.MlflowException("(sqlite3.OperationalError) database is locked")
        ending(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(mlflow.MlflowClient, "set_terminated", locked_at_first)
    with (
        pytest.raises(RegistryError, match="no room"),
        runs.run("unlucky", "lesionflow", system_metrics=False) as run_id,
    ):
        raise RegistryError("no room")
    assert mlflow.MlflowClient().get_run(run_id).info.status == "FAILED"


def test_a_locked_database_is_said_to_be_locked(contenders: Path) -> None:
    with pytest.raises(RegistryError, match="locked by another process; wait"), registry_errors("writing"):
        raise mlflow.MlflowException("(sqlite3.OperationalError) database is locked")


def test_a_damaged_database_is_said_to_be_damaged(contenders: Path, tmp_path: Path) -> None:
    whole = (contenders / "mlflow.db").read_bytes()
    (tmp_path / "cut.db").write_bytes(whole[: len(whole) // 2])
    with kept_addresses(), pytest.raises(RegistryError, match="the database is damaged; restore it from a copy"):
        connect(f"sqlite:///{tmp_path}/cut.db")
    (tmp_path / "text.db").write_bytes(b"no database, but long enough to be taken for one" * 99)
    with kept_addresses(), pytest.raises(RegistryError, match=r"not an SQLite database, .*; check the address"):
        connect(f"sqlite:///{tmp_path}/text.db")


COMMANDS = """
import json, sys
from click.testing import CliRunner
from lesionflow.cli import main
for line in sys.stdin:
    done = CliRunner().invoke(main, json.loads(line))
    print(json.dumps([done.exit_code, done.stderr]), flush=True)
"""


def test_a_store_that_cannot_be_written_is_said_before_any_work_in_one_line(contenders: Path) -> None:
    before = (contenders / "mlflow.db").read_bytes()
    environment = os.environ | {"PYTHONPATH": str(Path(lesionflow.__file__).parents[1])}
    program = bound_by_permissions([sys.executable, "-c", COMMANDS])  # one: each would import MLflow
    read, write = "history", "rollback"
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as commands:
        assert commands.stdin and commands.stdout
        for path, mode in (contenders / "mlflow.db", 0o444), (contenders, 0o555):
            usual = path.stat().st_mode
            path.chmod(mode)
            try:
                for name in read, write:
                    print(json.dumps([name, NAME]), file=commands.stdin, flush=True)
                    exit_code, said = json.loads(commands.stdout.readline())
                    (line,) = said.strip().splitlines()
                    assert exit_code == 1 and ("the tracking store failed at" in line) is (name == write), line
                    assert ("cannot be" in line and "permission" in line) is (name == write), line
            finally:
                path.chmod(usual)
    assert (contenders / "mlflow.db").read_bytes() == before
    prepare(f"sqlite:///{contenders / 'mlflow.db'}", writes=True)
    assert (contenders / "mlflow.db").read_bytes() == before


def test_another_writer_that_came_between_is_met_by_a_second_try() -> None:
    calls = []

    def set_it() -> None:
        calls.append(1)
        if len(calls) < 2:
            raise mlflow.MlflowException("(sqlite3.IntegrityError) UNIQUE constraint failed: registered_model_aliases")

    set_again(set_it)
    assert len(calls) == 2
    with pytest.raises(mlflow.MlflowException, match="something else"):
        set_again(lambda: (_ for _ in ()).throw(mlflow.MlflowException("something else")))


@pytest.mark.parametrize("name", ["a@b", "a/b", "a:b", "", " a", f"m-{'0' * 32}", "o'neil"])
def test_names_that_no_address_can_hold(name: str) -> None:
    with pytest.raises(UsageError):
        check_model_name(name)
    assert invoke("train", "--data", "demo", "--registered-model", name).exit_code == 2


@pytest.mark.parametrize("address", ["lesions/3", "models:/lesions/3"])
def test_a_version_in_place_of_a_name_is_told_apart(address: str) -> None:
    with pytest.raises(UsageError, match="the name is 'lesions', the version 3"):
        check_model_name(address)


def test_names_with_spaces_are_quoted(contenders: Path) -> None:
    from lesionflow.registry.champion import how_to_force, told_replaced
    from lesionflow.registry.versions import find_version

    version = find_version(NAME, 1)
    assert "lesionflow promote lesions 1 --force" in how_to_force(version)
    here = told_replaced("my moles", 1, 2)  # in the folder of the store, which a command finds by itself
    assert "lesionflow history 'my moles'" in here and "--tracking-uri" not in here
    (contenders / "elsewhere").mkdir()
    with contextlib.chdir(contenders / "elsewhere"):
        named = f"lesionflow history 'my moles' --tracking-uri sqlite:///{contenders}/mlflow.db"
        assert named in told_replaced("my moles", 1, 2)


def test_an_address_of_no_kind_of_store_is_refused_without_mlflow(tmp_path: Path) -> None:
    loaded = "import sys\nfrom lesionflow.tracking.tracking_store import connect\n"
    loaded += "try: connect('foo://user:secret@x')\nfinally: print('mlflow' in sys.modules)"
    refused = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=False)
    told = refused.stderr.splitlines()[-1]
    assert refused.stdout == "False\n" and "UsageError: --tracking-uri foo://x: foo:// is no kind of" in told
    for address in (
        "sqlite:///a.db",
        "postgresql+psycopg://h/d",
        "https://h",
        "file:///a",
        "databricks://p",
        "a/b",
        "uc",
    ):
        tracking_store.check_kind(address)
