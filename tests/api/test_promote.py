"""What the commands about the champion print, and what they exit with."""

import dataclasses
import logging
import os
import shlex
from pathlib import Path

import mlflow
import pytest

import lesionflow
from lesionflow.errors import RegistryError, UsageError
from lesionflow.model.card import ONNX_FILE, Estimate, read_card, write_card
from lesionflow.registry.champion import find_champion
from lesionflow.registry.history import read_state
from lesionflow.registry.lookup import find_entry
from lesionflow.registry.versions import find_version, number_by_alias
from lesionflow.tracking import tracking_store
from lesionflow.tracking.client import OWN_SETTINGS
from lesionflow.tracking.tracking_store import command_line
from tests.conftest import error_line, invoke, working_in
from tests.contenders import NAME
from tests.registry.champions import set_champion
from tests.scoring.conftest import write_small_bundle


def test_number_and_name_in_the_wrong_order_are_told_apart() -> None:
    told = invoke("promote", "2", NAME).stderr.splitlines()[-1]
    assert told == f"Error: Invalid value for 'VERSION': '{NAME}' is not a number; the name comes first: {NAME} 2"


def test_promote_prints_each_gate_with_figure_and_limit(contenders: Path) -> None:
    first = invoke("promote", NAME, "1")
    assert first.exit_code == 0 and "no champion yet" in first.stdout
    result = invoke("promote", NAME, "2", "--reason", "for the autumn")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "passed  data" in lines
    assert "passed  balanced accuracy     1.0000, limit 0.9500" in lines
    assert "passed  melanoma sensitivity  0.1500, limit -0.0200" in lines
    assert "passed  calibration           0.0000, limit 0.0500" in lines
    assert lines[-1] == f"{NAME}/2 (cnn) is the champion now" and max(map(len, lines)) <= 80
    again = invoke("promote", NAME, "2")
    assert again.exit_code == 0 and "is the champion already; nothing changed" in again.stdout


def test_a_refused_promotion_exits_with_one_and_says_why_and_how_to_force_it(contenders: Path) -> None:
    set_champion(find_version(NAME, 1), "to begin with")
    result = invoke("promote", NAME, "4")
    assert result.exit_code == 1 and find_champion(NAME) == find_version(NAME, 1)
    assert "FAILED  calibration           0.3500, limit 0.0500" in result.stdout
    assert "passed  balanced accuracy" in result.stdout
    message = error_line(result)
    assert "validation ECE 0.3500, at most 0.0500 is allowed" in message and "better than" not in message
    assert f"lesionflow promote {NAME} 4 --force --reason WHY" in message
    assert invoke("promote", NAME, "4", "--ece-ceiling", "0.4").exit_code == 0
    assert find_champion(NAME) == find_version(NAME, 4)


def test_advice_names_the_store_that_was_asked_where_a_command_would_take_another(
    contenders: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    address = f"sqlite:///{contenders}/mlflow.db"
    set_champion(find_version(NAME, 1), "to begin with")
    with working_in(tmp_path_factory.mktemp("elsewhere")):
        refused = error_line(invoke("promote", NAME, "4", "--tracking-uri", address))
        command = shlex.split(refused.partition("all the same: lesionflow ")[2])
        pasted = invoke(*command)
        assert pasted.exit_code == 0, pasted.stderr
    assert find_champion(NAME) == find_version(NAME, 4)
    assert command_line("history", NAME, store="sqlite:///mlflow.db") == f"lesionflow history {NAME}"
    assert "me:secret" not in command_line("history", NAME, store="https://me:secret@mlflow.example")


def test_mlflow_tells_a_program_what_it_told_before_and_waits_as_long(
    contenders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_store, "_blocks", 0)  # without the one around every test
    for name in OWN_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
        lesionflow.promote(NAME, 1)
        lesionflow.history(NAME)
        assert [logger.level for logger in loggers] == [logging.DEBUG, logging.DEBUG]
        assert not OWN_SETTINGS.keys() & os.environ.keys()
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@pytest.mark.parametrize(
    "arguments", [("--force",), ("--force", "--reason", " "), ("--probability", "0.4"), ("--melanoma-margin", "-1")]
)
def test_wrong_usage_exits_with_two_and_changes_nothing(contenders: Path, arguments: tuple[str, ...]) -> None:
    result = invoke("promote", NAME, "1", *arguments)
    assert result.exit_code == 2 and "Error: " in result.stderr and read_state(NAME).champion is None


def test_forced_rolled_back_and_told(contenders: Path) -> None:
    invoke("promote", NAME, "1")
    forced = invoke("promote", NAME, "5", "--force", "--reason", "the split of the paper")
    assert forced.exit_code == 0 and forced.stdout.splitlines()[-1] == f"{NAME}/5 (cnn) is the champion now, by force"
    assert "FAILED  data" in forced.stdout
    back = invoke("rollback", NAME, "--reason", "it was not")
    assert back.exit_code == 0 and back.stdout == f"{NAME}/1 is the champion again, instead of {NAME}/5\n"
    told = invoke("history", NAME)
    assert told.exit_code == 0 and not told.stderr and max(map(len, told.stdout.splitlines())) <= 80
    happened = [line for line in told.stdout.splitlines() if line.startswith("20")]
    assert [line.split("  ")[1].split(" by ")[0] for line in happened] == [
        f"{NAME}/1 rolled back", f"{NAME}/5 forced", f"{NAME}/1 promoted",
    ]  # fmt: skip
    assert "it was not" in told.stdout and "the split of the paper (gates failed: not comparable" in told.stdout
    end = invoke("rollback", NAME)
    assert end.exit_code == 1 and "to go back to" in error_line(end)


@pytest.mark.parametrize(
    "command", [("rollback",), ("promote", NAME, "1"), ("history",), ("train", "--resume", "0a" * 16)]
)
def test_where_there_is_no_store_none_is_made_to_look_for_what_it_cannot_hold(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    result = invoke(*command, "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")
    assert result.exit_code == 1 and f"there is none at sqlite:///{tmp_path}/mlflow.db" in error_line(result)
    assert not list(tmp_path.iterdir())


def test_a_champion_deleted_since_is_named(contenders: Path) -> None:
    for number in ("1", "2", "3"):
        assert invoke("promote", NAME, number).exit_code == 0
    mlflow.MlflowClient().delete_model_version(NAME, "2")
    result = invoke("rollback", NAME)
    assert f"{NAME}/2 was champion in between and is left out: it has been deleted" in result.stdout
    assert f"{NAME}/1 is the champion again" in result.stdout


def test_a_version_that_could_not_score_does_not_become_champion(tmp_path: Path) -> None:
    """Its files are gone or altered: the next night would have no report, or the gates metrics that nobody measured."""
    metrics = {"validation": {"balanced_accuracy": Estimate(0.7, 0.6, 0.8), "ece": Estimate(0.01, 0.0, 0.02)}}
    with working_in(tmp_path):
        for seed in range(3):
            bundle = write_small_bundle(tmp_path / f"bundle{seed}", seed=seed, metrics=metrics)
            lesionflow.register(bundle, registered_model=NAME, challenge=False)
        for number in (1, 2):
            lesionflow.promote(NAME, number, force=True, reason="to begin with")
        first, third = (entry.bundle for number in (1, 3) if (entry := find_entry(NAME, None, number)))

        (first / ONNX_FILE).rename(first / "away")
        back = invoke("rollback", NAME)
        advice = f"{NAME}/1 is not restored; put its files back, or delete that version to go back to the one before"
        assert back.exit_code == 1 and ONNX_FILE in error_line(back) and error_line(back).endswith(advice)
        promoted = invoke("promote", NAME, "1", "--force", "--reason", "all the same")
        assert promoted.exit_code == 1 and ONNX_FILE in error_line(promoted)
        better = {"validation": metrics["validation"] | {"balanced_accuracy": Estimate(0.9, 0.8, 1.0)}}
        write_card(third, dataclasses.replace(read_card(third), metrics=better))
        promoted = invoke("promote", NAME, "3", "--force", "--reason", "it is so good")
        assert promoted.exit_code == 1 and "is not the one that was registered" in error_line(promoted)
        assert number_by_alias(NAME, "champion") == 2 and len(read_state(NAME).changes) == 2

        (first / "away").rename(first / ONNX_FILE)
        assert invoke("rollback", NAME).exit_code == 0 and number_by_alias(NAME, "champion") == 1


def test_history_says_when_somebody_else_moved_the_alias(contenders: Path) -> None:
    nothing = invoke("history", NAME)
    assert nothing.exit_code == 1 and "never had one" in error_line(nothing)
    assert error_line(nothing).endswith(f"; make one champion with 'lesionflow promote {NAME} 6'"), nothing.stderr
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "2")
    with pytest.raises(
        RegistryError,
        match=rf"mean 'champion'\?\); models:/{NAME}@champion is {NAME}/2, or name another store with --tracking-uri, ",
    ):
        lesionflow.load(f"models:/{NAME}@chmpion")
    result = invoke("history", NAME)
    assert result.exit_code == 0 and f"the champion is {NAME}/2, not that of the last change" in result.stderr


def test_what_is_no_name_number_or_address_is_refused_before_a_store_is_asked(tmp_path: Path) -> None:
    nowhere = f"sqlite:///{tmp_path / 'nowhere.db'}"
    for name in (None, 5, "", "a/b", "lesions/3"):
        for refused in (
            lambda name=name: lesionflow.history(name, tracking_uri=nowhere),
            lambda name=name: lesionflow.rollback(name, tracking_uri=nowhere),
            lambda name=name: lesionflow.promote(name, 1, tracking_uri=nowhere),
        ):
            with pytest.raises(UsageError, match=r"name|text"):
                refused()
    for version in (0, -1, 1.5, "x", None):
        with pytest.raises(UsageError, match=r"version=.*whole number from 1"):
            lesionflow.promote(NAME, version, tracking_uri=nowhere)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="tracking_uri: is of type int"):
        lesionflow.history(NAME, tracking_uri=5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="images: is an empty list"):
        lesionflow.explain([], tmp_path / "pictures", "pretrained")
    assert list(tmp_path.iterdir()) == []
