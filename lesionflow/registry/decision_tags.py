"""A decision about a version, kept as the version's tags: what was decided, when, by whom and what each gate said."""

from __future__ import annotations

import datetime

from lesionflow.registry.gates import Verdict
from lesionflow.registry.history import user_name
from lesionflow.registry.versions import Version
from lesionflow.tracking.failures import registry_errors

KEPT_BACK = "kept back"  # of a version that the gates refused; the other words are those of `history`


def tag_decision(
    name: str, number: int, decision: Verdict, what: str, note: str = "", against: Version | None = None
) -> None:
    """Keep a decision with the version that it is about.

    what: KEPT_BACK or a word of `history`; against: the version it was measured against. Tags of an earlier decision of
    which this one says nothing are taken away.
    """
    import mlflow

    tags = {
        "decision": what,
        "decision_reason": decision.reason,
        "decided_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "decided_by": user_name(),
    }
    if against is not None:
        tags["decided_against"] = f"{against.name}/{against.number}"
    if note:
        tags["decision_note"] = note
    for gate in decision.gates:
        told = "passed" if gate.passed else "failed"
        tags[f"gate_{gate.name.replace(' ', '_')}"] = f"{told}: {gate.reason}" if gate.reason else told
    with registry_errors(f"tagging {name}/{number}"):
        client = mlflow.MlflowClient()
        for key, value in tags.items():
            client.set_model_version_tag(name, str(number), key, value)
        for key in client.get_model_version(name, str(number)).tags:
            if key not in tags and (key.startswith("gate_") or key in ("decided_against", "decision_note")):
                client.delete_model_version_tag(name, str(number), key)
