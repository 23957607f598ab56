"""The alias and its history, in a real store: promotions, force, rollbacks, and two who promote at once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from lesionflow.api.promote import promote
from lesionflow.errors import RegistryError, UsageError
from lesionflow.registry import champion, history
from lesionflow.registry.champion import challenge, find_champion, promote_best, reconcile_alias, roll_back
from lesionflow.registry.gates import Verdict
from lesionflow.registry.history import ChampionState, Change, line_of, read_state
from lesionflow.registry.versions import Version, find_version, parse_address
from tests.contenders import NAME
from tests.registry.champions import set_champion
from tests.registry.serving import door

# Two processes that promote; they begin as copies of one, as each would import MLflow.
WORKERS = f"""
import multiprocessing, sys
from lesionflow.api.promote import promote
import mlflow

def work(ordered):
    while True:
        address, number = ordered.recv()
        mlflow.set_tracking_uri(address)
        done = promote("{NAME}", number)
        ordered.send((int(done.promoted), done.replaced_by or 0))

fork = multiprocessing.get_context("fork")
workers = []
for _ in range(2):
    ours, theirs = fork.Pipe()
    fork.Process(target=work, args=[theirs], daemon=True).start()
    theirs.close()
    workers.append(ours)
for address in sys.stdin:
    for number, worker in enumerate(workers, start=2):
        worker.send((address.strip(), number))
    print(*(value for worker in workers for value in worker.recv()), flush=True)
"""


@pytest.fixture
def store(contenders: Path) -> Path:
    return contenders


def version(number: int) -> Version:
    return find_version(NAME, number)


def tags(number: int) -> dict[str, str]:
    return dict(mlflow.MlflowClient().get_model_version(NAME, str(number)).tags)


def decisions() -> list[tuple[int, str]]:
    return [(change.version, change.decision) for change in read_state(NAME).changes]


def test_a_promotion_is_kept_as_tags_and_in_the_history(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ana@hospital.example")
    assert challenge(version(1)).promoted
    done = challenge(version(2), note="for the autumn")
    assert done.promoted and not done.forced and done.before == version(1)
    assert find_champion(NAME) == version(2)
    kept = tags(2)
    assert kept["decision"] == "promoted" and kept["decided_by"] == "ana" and kept["decided_against"] == f"{NAME}/1"
    assert kept["decision_note"] == "for the autumn" and kept["decided_at"]
    for gate in ("data", "balanced_accuracy", "melanoma_sensitivity", "calibration"):
        assert kept[f"gate_{gate}"].startswith("passed: ")
    first, second = read_state(NAME).changes
    assert (first.version, first.before, second.version, second.before) == (1, None, 2, 1)
    assert second.who == "ana" and second.reason.startswith("for the autumn (same data and split")
    assert first.when <= second.when and second.when.endswith("+00:00")


def test_a_refusal_changes_nothing_but_tags(store: Path) -> None:
    set_champion(version(3), "to begin with")
    before = read_state(NAME)
    done = challenge(version(2))
    assert not done.promoted and "not shown to be better than lesions/3" in done.verdict.reason
    assert read_state(NAME) == before
    assert tags(2)["decision"] == "kept back" and tags(2)["gate_balanced_accuracy"].startswith(
        "failed: not shown to be better"
    )
    assert tags(2)["gate_calibration"].startswith("passed: ")


def test_force_records_which_gates_failed_and_why_it_was_forced(store: Path) -> None:
    set_champion(version(3), "to begin with")
    done = promote(NAME, 2, force=True, reason="the\n other one is\tslow")
    assert done.promoted and done.forced and find_champion(NAME) == version(2)
    assert tags(2)["decision"] == "forced" and tags(2)["decision_note"] == "the other one is slow"
    assert tags(2)["gate_balanced_accuracy"].startswith("failed: ")
    last = read_state(NAME).changes[-1]
    assert last.decision == "forced" and last.reason.startswith(
        "the other one is slow (gates failed: not shown to be better"
    )
    done = promote(NAME, 3, force=True, reason="was not needed")
    assert done.promoted and not done.forced and tags(3)["decision"] == "promoted"


def test_tags_of_an_earlier_decision_do_not_stay(store: Path) -> None:
    set_champion(version(1), "to begin with")
    challenge(version(5), note="try it")
    assert "not comparable" in tags(5)["gate_data"] and tags(5)["decision_note"] == "try it"
    mlflow.MlflowClient().delete_registered_model_alias(NAME, "champion")
    assert challenge(version(5)).promoted
    assert "decision_note" not in tags(5) and tags(5)["gate_data"] == "passed: no champion yet"
    assert "decided_against" not in tags(5) and tags(5)["card_digest"]


def test_the_champion_is_not_asked_again(store: Path) -> None:
    challenge(version(1))
    before, kept = read_state(NAME), tags(1)
    done = promote(NAME, 1, force=True, reason="once more")
    assert done.already and done.promoted and read_state(NAME) == before and tags(1) == kept


def test_what_is_asked_wrongly(store: Path) -> None:
    with pytest.raises(UsageError, match="say why with --reason"):
        promote(NAME, 1, force=True, reason=" \n")
    with pytest.raises(UsageError, match="has 301 characters"):
        promote(NAME, 1, reason="x" * 301)
    with pytest.raises(UsageError, match="--probability"):
        promote(NAME, 1, probability=0.2)
    with pytest.raises(RegistryError, match=r"no version 99 of .*; its versions: "):
        promote(NAME, 99)


def test_a_champion_that_cannot_be_read_stops_a_promotion_unless_forced(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_champion(version(1), "to begin with")

    def lose_the_first(name: str, number: int) -> Version:
        if number == 1:
            raise RegistryError("its artifacts are gone")
        return find_version(name, number)

    two = version(2)
    monkeypatch.setattr(champion, "find_version", lose_the_first)
    with pytest.raises(RegistryError, match="gone"):
        challenge(two)
    done = challenge(two, force=True, note="a lost disk")
    assert done.forced and "cannot be read: its artifacts are gone" in done.verdict.reason
    assert read_state(NAME).champion == 2


def test_the_best_of_a_training_challenges_and_the_others_say_why_not(store: Path) -> None:
    assert read_state(NAME).champion is None
    best, decision = promote_best([version(1), version(3), version(2)])
    assert best == version(3) and decision.promote and read_state(NAME).champion == 3
    assert tags(1)["decision"] == "kept back"
    assert "lesions/3 of the same training is better" in tags(1)["decision_reason"]
    assert "0.9000 against 0.6000, better with a probability of 1.0000" in tags(1)["decision_reason"]
    best, decision = promote_best([version(1), version(2)])
    assert best == version(2) and not decision.promote and read_state(NAME).champion == 3
    assert f"lesionflow promote {NAME} 2 --force --reason WHY" in decision.reason


def test_rolling_back_follows_the_line_of_champions(store: Path) -> None:
    for number in (1, 2, 3):
        assert challenge(version(number)).promoted
    done = roll_back(NAME, "too sure")
    assert (done.version, done.before, done.deleted, done.replaced_by) == (2, 3, (), None)
    assert tags(3)["decision"] == "rolled back" and tags(3)["decision_note"] == "too sure"
    assert roll_back(NAME).version == 1
    with pytest.raises(RegistryError, match="no champion of lesions before the present one"):
        roll_back(NAME)
    assert find_champion(NAME) == version(1)
    assert challenge(version(3)).promoted  # again, over 1: what was rolled back from is no longer in between
    assert roll_back(NAME).version == 1
    assert [what for _, what in decisions()] == ["promoted"] * 3 + ["rolled back"] * 2 + ["promoted", "rolled back"]


def test_deleted_champions_are_left_out_and_named(store: Path) -> None:
    for number in (1, 2, 3):
        challenge(version(number))
    client = mlflow.MlflowClient()
    client.delete_model_version(NAME, "2")
    done = roll_back(NAME)
    assert (done.version, done.deleted) == (1, (2,))
    client.delete_model_version(NAME, "1")  # MLflow takes the alias away with it
    assert read_state(NAME).champion is None
    with pytest.raises(RegistryError, match="deleted since: lesions/1"):
        roll_back(NAME)
    challenge(version(3))
    client.delete_model_version(NAME, "3")
    with pytest.raises(RegistryError, match="to go back to"):
        roll_back(NAME)
    set_champion(version(4), "what is left")
    set_champion(version(5), "another")
    client.delete_model_version(NAME, "5")
    assert roll_back(NAME).version == 4  # the champion itself was deleted: back to the last that is there


def test_a_champion_put_there_by_other_means_stands_in_the_line(store: Path) -> None:
    challenge(version(1))
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "5")
    assert not read_state(NAME).agrees and line_of(read_state(NAME)) == [1, 5]
    set_champion(version(2), "by hand")
    assert line_of(read_state(NAME)) == [1, 5, 2]
    assert [roll_back(NAME).version, roll_back(NAME).version] == [5, 1]


def test_no_history_and_tags_that_are_none(store: Path) -> None:
    assert read_state("nobody") == ChampionState()
    with pytest.raises(RegistryError, match="no champion of nobody, and there never was one"):
        roll_back("nobody")
    client = mlflow.MlflowClient()
    client.set_registered_model_tag(NAME, "champion_of", "hearts")
    client.set_registered_model_tag(NAME, "champion_000009_20260101T000000.000000Z_00000000", "not json")
    client.set_registered_model_tag(NAME, "champion_000009_20260101T000000.000000Z_00000001", '{"version": []}')
    assert read_state(NAME) == ChampionState()
    challenge(version(1))
    assert decisions() == [(1, "promoted")]


def change(number: int, version: int, before: int | None, decision: str = "promoted") -> Change:
    return Change(f"key {number}{version}", number, version, decision, "", before, "ana", "")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ([], []),
        ([change(1, 1, None), change(2, 2, 1), change(3, 1, 2)], [1, 2, 1]),
        ([change(1, 1, None), change(2, 2, 1), change(2, 3, 1)], [1, 2, 3]),  # at once
        ([change(1, 1, None), change(2, 2, 1), change(2, 3, 1), change(3, 2, 3, "given back")], [1, 2]),
        ([change(1, 1, None), change(2, 2, 1), change(3, 3, 2), change(4, 2, 3, "rolled back")], [1, 2]),
        ([change(1, 1, None), change(2, 2, 1)] + 2 * [change(3, 1, 2, "rolled back")], [1]),  # at once
        ([change(1, 2, 1)], [1, 2]),  # a champion from before there was a history
        ([change(1, 2, 1), change(2, 7, 2, "rolled back")], [1, 2, 7]),  # to one that was in no line
    ],
)
def test_the_line_of_champions(changes: list[Change], line: list[int]) -> None:
    assert line_of(ChampionState(tuple(changes))) == line


def test_the_gates_are_asked_again_when_the_champion_changes_meanwhile(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_champion(version(1), "to begin with")
    asked: list[object] = []

    def slow(*arguments: object) -> Verdict:
        if not asked:
            set_champion(version(3), "somebody else, while the gates are asked")
        asked.append(arguments)
        return reach_verdict(*arguments)  # type: ignore[arg-type]

    reach_verdict = champion.reach_verdict
    monkeypatch.setattr(champion, "reach_verdict", slow)
    done = challenge(version(2))
    assert len(asked) == 2 and not done.promoted and done.before == version(3)
    assert find_champion(NAME) == version(3)


@pytest.mark.parametrize(("mine", "theirs"), [(2, 3), (3, 2)])
def test_a_change_in_the_last_moment_is_measured_too(
    store: Path, monkeypatch: pytest.MonkeyPatch, mine: int, theirs: int
) -> None:
    set_champion(version(1), "to begin with")
    record = history.record

    def late(name: str, number: int, how: str, reason: str, seen: ChampionState) -> Change:
        monkeypatch.setattr(champion, "record", record)
        assert challenge(version(theirs)).promoted
        return record(name, number, how, reason, seen)

    monkeypatch.setattr(champion, "record", late)
    done = challenge(version(mine))
    assert find_champion(NAME) == version(3) and read_state(NAME).agrees
    assert done.promoted == (mine == 3)
    if mine == 2:
        assert decisions()[-1] == (3, "given back") and tags(2)["decision"] == "kept back"
    assert roll_back(NAME).version == (1 if mine == 2 else 2)


def test_the_first_of_two_at_once_says_by_whom_it_was_replaced(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_champion(version(1), "to begin with")
    record = history.record

    def early(name: str, number: int, how: str, reason: str, seen: ChampionState) -> Change:
        written = record(name, number, how, reason, seen)
        monkeypatch.setattr(champion, "record", record)
        set_champion(version(3), "somebody else, before the alias is moved")
        return written

    monkeypatch.setattr(champion, "record", early)
    done = challenge(version(2))
    assert done.promoted and done.replaced_by == 3 and read_state(NAME).champion == 3
    told = champion.told_replaced(NAME, 2, 3)
    assert told.startswith("lesions/2 was promoted and at once replaced by lesions/3; ")


def test_a_change_that_breaks_off_behind_its_record_is_told(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_champion(version(1), "to begin with")

    def lost(*_: object) -> None:
        raise RegistryError("the connection broke off")

    told = "the connection broke off; lesions/{} was recorded as {}; .*; see: lesionflow history lesions"
    for step in "tag_verdict", "reconcile_alias":
        with monkeypatch.context() as server:
            server.setattr(champion, step, lost)
            with pytest.raises(RegistryError, match=told.format(2, "promoted")):
                challenge(version(2))
        assert decisions()[-1] == (2, "promoted")
        assert read_state(NAME).champion == (2 if step == "tag_verdict" else 1)
        again = challenge(version(2))  # as the message says
        assert again.promoted and not again.already and read_state(NAME).champion == 2
        assert tags(2)["decision"] == "promoted" and tags(2)["decision_reason"] == again.verdict.reason
        assert challenge(version(2)).already
        with monkeypatch.context() as server:
            server.setattr(champion, step, lost)
            with pytest.raises(RegistryError, match=told.format(1, "rolled back")):
                roll_back(NAME)
        set_champion(version(1), "to begin again")


def test_a_writer_that_is_late_with_the_alias_mends_it(store: Path) -> None:
    set_champion(version(1), "to begin with")
    set_champion(version(2), "the last change")
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")  # of a writer that looked before
    assert reconcile_alias(NAME).champion == 2 == read_state(NAME).champion


def test_a_promotion_that_broke_off_is_not_what_a_rollback_goes_to(store: Path) -> None:
    set_champion(version(1), "to begin with")
    set_champion(version(2), "the next")
    history.record(NAME, 3, "promoted", "and here the connection broke off", read_state(NAME))
    assert roll_back(NAME).version == 1 == read_state(NAME).champion
    set_champion(version(3), "again")
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")  # by other means: 3 had been champion
    assert roll_back(NAME).version == 3


@pytest.mark.parametrize(
    ("swallows", "told"),
    [
        ("registered-models/set-tag", "did not keep that lesions/1 was promoted; [^;]*; check the address$"),
        ("registered-models/alias", "did not make lesions/1 the"),
    ],
)
def test_a_change_that_the_registry_does_not_keep_is_no_success(
    store: Path, served: str, monkeypatch: pytest.MonkeyPatch, swallows: str, told: str
) -> None:
    with door(served) as front:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", front.address)
        mlflow.set_tracking_uri(front.address)
        front.swallows = swallows
        with pytest.raises(RegistryError, match=told):
            challenge(version(1))
        assert read_state(NAME).champion is None


@pytest.fixture(scope="module")
def workers() -> Iterator[subprocess.Popen[str]]:
    """Two processes that at once promote versions 2 and 3, in a store whose address they read."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", WORKERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as started:
        yield started
        started.communicate()
        assert started.returncode == 0


def _race(workers: subprocess.Popen[str], rounds: int) -> None:
    assert workers.stdin and workers.stdout
    for _ in range(rounds):
        set_champion(version(1), "a round begins")
        print(mlflow.get_tracking_uri(), file=workers.stdin, flush=True)
        numbers = [*map(int, workers.stdout.readline().split())]
        told = [tuple(numbers[:2]), tuple(numbers[2:])]
        standing = read_state(NAME)
        assert standing.agrees and standing.champion in (2, 3)
        winner = standing.champion - 2
        assert told[winner] == (1, 0) or standing.changes[-1].decision == "given back"
        assert told[1 - winner][0] == 0 or told[1 - winner][1] in (0, standing.champion)
        assert tags(standing.champion)["decision"] == "promoted"


def test_two_processes_at_once(store: Path, workers: subprocess.Popen[str]) -> None:
    _race(workers, rounds=3)


def test_two_processes_at_once_on_a_server(
    store: Path, workers: subprocess.Popen[str], served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served)
    mlflow.set_tracking_uri(served)
    _race(workers, rounds=1)
    assert roll_back(NAME).version in (1, 2) and read_state(NAME).agrees


def test_the_description_is_what_mlflow_shows_and_fits_its_databases(store: Path) -> None:
    client = mlflow.MlflowClient()
    assert client.get_model_version(NAME, "3").description == "# The best\n\nof the made-up ones"
    assert not client.get_model_version(NAME, "1").description
    assert parse_address(f"models:/{NAME}/3") == (NAME, None, 3)
