"""The champion: the version behind an alias, set by the gates, by force or by a rollback.

MLflow moves an alias without checking where it was. Two clients moving it at once would both believe they won, so a
change is written into the history first, and then its author makes the alias agree with the last change there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass

from lesionflow.errors import LesionflowError, RegistryError, add_to_message
from lesionflow.evaluation.measure import compare
from lesionflow.evaluation.metrics import DECIDING
from lesionflow.registry.compared_model import ComparedModel, compared_model_of, why_not_comparable
from lesionflow.registry.config import USUAL, PromotionConfig
from lesionflow.registry.gates import LabelledNight, Verdict, reach_verdict
from lesionflow.registry.history import (
    FORCED,
    GIVEN_BACK,
    KEPT_BACK,
    NOT_KEPT,
    PROMOTED,
    ROLLED_BACK,
    ChampionState,
    line_of,
    read_state,
    record,
    tag_verdict,
    was_carried_out,
)
from lesionflow.registry.versions import (
    CHAMPION,
    Version,
    check_scorable,
    find_version,
    how_to_get_one,
    is_registered,
    number_by_alias,
    what_there_is,
)
from lesionflow.tracking.client import mlflow, registry_errors, set_again
from lesionflow.tracking.tracking_store import command_line

_MOST_MOVES = 20  # of the alias by one client: others that move it meanwhile are one or two


@dataclass(frozen=True)
class Promotion:
    """The result of a promotion."""

    version: Version
    verdict: Verdict  # of the gates
    before: Version | None  # the champion that it was measured against
    promoted: bool  # as the gates decided, or by force
    already: bool = False  # it was champion before; nothing was asked and nothing changed
    replaced_by: int | None = None  # the version that was promoted at the same time, and is champion now
    notes: tuple[str, ...] = ()  # of a report's images: what was left out, and why their metrics may mislead

    @property
    def forced(self) -> bool:
        """Whether it was promoted although gates failed."""
        return self.promoted and not self.verdict.promote


@dataclass(frozen=True)
class Rollback:
    """The result of a rollback."""

    name: str
    version: int  # restored
    before: int | None  # the champion until then; None where that had been deleted
    deleted: tuple[int, ...]  # champions in between that the registry no longer holds
    replaced_by: int | None = None


def find_champion(name: str) -> Version | None:
    """The version behind the champion alias, or None."""
    number = number_by_alias(name, CHAMPION)
    return None if number is None else find_version(name, number)


def challenge(
    challenger: Version,
    config: PromotionConfig = USUAL,
    *,
    force: bool = False,
    note: str = "",
    night: LabelledNight | None = None,
) -> Promotion:
    """Run the gates, and make the challenger the champion if it passes all of them, or by force.

    The verdict is kept as tags of the version, a promotion also in the history. note: why, in the user's
    words; night: images on which both are compared in place of validation.
    """
    name, asking = challenger.name, compared_model_of(challenger)
    while True:
        seen = read_state(name)
        if seen.champion == challenger.number:
            last = seen.changes[-1] if seen.agrees else None
            if last and last.decision in (PROMOTED, FORCED) and not was_carried_out(name, last):
                verdict = Verdict(last.decision == PROMOTED, last.reason)  # it broke off between alias and tags
                tag_verdict(name, challenger.number, verdict, last.decision)
                return Promotion(challenger, verdict, None, promoted=True)
            already = Verdict(True, f"{challenger.label} is the champion already")
            return Promotion(challenger, already, challenger, promoted=True, already=True)
        champion, verdict = _ask_gates(asking, name, seen, config, night, unreadable=force)
        if not verdict.promote and not force:
            tag_verdict(name, challenger.number, verdict, KEPT_BACK, note, champion)
            return Promotion(challenger, verdict, champion, promoted=False)
        check_scorable(name, challenger.number)
        if read_state(name) == seen:  # the gates take time: another version may have become champion in the meantime
            break
    how = PROMOTED if verdict.promote else FORCED
    reason = verdict.reason if verdict.promote else f"gates failed: {verdict.reason}"
    written = record(name, challenger.number, how, f"{note} ({reason})" if note else reason, seen)
    with _telling_what_is_recorded(name, challenger.number, how):
        settled = reconcile_alias(name)

        # Changes between the look and the record: the gates have not compared with the version of the last of them.
        unseen = [
            change for change in settled.changes if change not in seen.changes and change.sort_key < written.sort_key
        ]
        other = unseen[-1].version if unseen else challenger.number
        if other != challenger.number and how == PROMOTED and settled.champion == challenger.number:
            champion, verdict = _ask_gates(asking, name, ChampionState(champion=other), config, night)
            if not verdict.promote and champion is not None:
                record(name, champion.number, GIVEN_BACK, verdict.reason, settled)
                reconcile_alias(name)
                tag_verdict(name, challenger.number, verdict, KEPT_BACK, note, champion)
                return Promotion(challenger, verdict, champion, promoted=False)
        tag_verdict(name, challenger.number, verdict, how, note, champion)
        replaced = None if settled.champion == challenger.number else settled.champion
        return Promotion(challenger, verdict, champion, promoted=True, replaced_by=replaced)


def promote_best(challengers: list[Version]) -> tuple[Version, Verdict]:
    """Let the best of versions trained together challenge the champion.

    The best is the one with the highest validation balanced accuracy, the first of equal ones, even if the difference
    may be chance. Returns it with the verdict of the gates, which promotes only if that version is champion now. Each
    version keeps what was decided as tags.
    """
    best = max(challengers, key=lambda version: version.deciding)
    promotion = challenge(best)
    for other in challengers:
        if other is not best:
            tag_verdict(other.name, other.number, Verdict(False, _why_not(other, best)), KEPT_BACK, against=best)
    verdict = promotion.verdict
    if not promotion.promoted:
        verdict = Verdict(False, f"{verdict.reason}; {how_to_force(best)}", verdict.gates)
    elif promotion.already:
        verdict = Verdict(False, verdict.reason)
    elif promotion.replaced_by is not None:
        told = told_replaced(best.name, best.number, promotion.replaced_by)
        verdict = Verdict(False, told, verdict.gates)
    return best, verdict


def roll_back(name: str, reason: str = "") -> Rollback:
    """Restore the previous champion, which `history.line_of` determines, also for repeated rollbacks.

    Versions that were deleted since are left out, and so is one whose promotion broke off before it was the champion.
    Raises `RegistryError` where there is none to go back to, and a `LesionflowError` where its files are gone or
    altered.
    """
    while True:
        seen = read_state(name)
        last = seen.changes[-1] if seen.changes and not seen.agrees else None
        broke_off = last is not None and last.before == seen.champion and not was_carried_out(name, last)
        line = line_of(dataclasses.replace(seen, changes=seen.changes[:-1]) if broke_off else seen)
        earlier = [number for number in reversed(line) if number != seen.champion]
        deleted: list[int] = []
        for number in earlier:
            if is_registered(name, number):
                break
            deleted.append(number)
        else:
            gone = f"; deleted since: {', '.join(f'{name}/{number}' for number in deleted)}" if deleted else ""
            if not line:
                raise RegistryError(
                    f"no champion of {name}, and there never was one to go back to{what_there_is(name)}; "
                    f"{how_to_get_one(name)}"
                )
            raise RegistryError(f"no champion of {name} before the present one to go back to{gone}")
        try:
            check_scorable(name, number)
        except LesionflowError as error:
            advice = "put its files back, or delete that version to go back to the one before"
            add_to_message(error, f"{name}/{number} is not restored; {advice}")
            raise
        if read_state(name) == seen:
            break
    record(name, number, ROLLED_BACK, reason, seen)
    with _telling_what_is_recorded(name, number, ROLLED_BACK):
        settled = reconcile_alias(name)
        if seen.champion is not None:
            tag_verdict(name, seen.champion, Verdict(False, f"rolled back to {name}/{number}"), ROLLED_BACK, reason)
    replaced = None if settled.champion == number else settled.champion
    return Rollback(name, number, seen.champion, tuple(deleted), replaced)


@contextlib.contextmanager
def _telling_what_is_recorded(name: str, number: int, how: str) -> Iterator[None]:
    """Add to an error behind the record of a change that the change may have taken place."""
    try:
        yield
    except RegistryError as error:
        told = f"{name}/{number} was recorded as {how}; if it is not the champion, give the command again"
        add_to_message(error, f"{told}; see: {command_line('history', name)}")
        raise


def reconcile_alias(name: str) -> ChampionState:
    """Make the alias agree with the last change, whoever wrote it.

    Every recorded change ends with this. The last client to move the alias has looked afterwards and found no later
    change than its own, and later changes move it later: so the alias is where the last change says.

    Raises `RegistryError` where the registry takes the alias without keeping it.
    """
    for _ in range(_MOST_MOVES):
        state = read_state(name)
        if not state.changes or state.agrees:
            return state
        last = str(state.changes[-1].version)
        with registry_errors(f"making {name}/{last} the champion"):
            set_again(functools.partial(mlflow.MlflowClient().set_registered_model_alias, name, CHAMPION, last))
    raise RegistryError(f"the registry did not make {name}/{last} the champion; {NOT_KEPT}")


def how_to_force(version: Version, store: str | None = None) -> str:
    """The message about a refused promotion; store: None for the one that MLflow uses."""
    command = command_line("promote", version.name, str(version.number), "--force", "--reason", "WHY", store=store)
    return f"to do so all the same: {command}"


def told_replaced(name: str, number: int, by: int, store: str | None = None) -> str:
    """The message about a champion that was replaced by another one at the same moment; store: as above."""
    seen = command_line("history", name, store=store)
    return f"{name}/{number} was promoted and at once replaced by {name}/{by}; see: {seen}"


def _ask_gates(
    challenger: ComparedModel,
    name: str,
    seen: ChampionState,
    config: PromotionConfig,
    night: LabelledNight | None = None,
    *,
    unreadable: bool = False,
) -> tuple[Version | None, Verdict]:
    """The champion and the verdict; unreadable: whether a champion that cannot be read is only a failed gate."""
    if seen.champion is None:
        return None, reach_verdict(challenger, None, config, night)
    try:
        champion = find_version(name, seen.champion)
        return champion, reach_verdict(challenger, compared_model_of(champion), config, night)
    except LesionflowError as error:
        if not unreadable:
            raise
        return None, Verdict(False, f"the champion {name}/{seen.champion} cannot be read: {error}")


def _why_not(other: Version, best: Version) -> str:
    values = f"{best.deciding:.4f} against {other.deciding:.4f}"
    told = f"{best.label} of the same training is better: validation balanced accuracy {values}"
    first, second = compared_model_of(best), compared_model_of(other)
    if why_not_comparable(first, second) or first.validation is None or second.validation is None:
        return told
    found = compare(first.validation, second.validation, (DECIDING,))[DECIDING]
    return f"{told}, better with a probability of {found.probability_better:.4f}"
