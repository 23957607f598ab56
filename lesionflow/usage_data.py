"""Turns off usage data of the libraries underneath, unless the user has turned it on.

`lesionflow/__init__.py` calls `turn_off` before anything else, since each of them reads its variable when it is
imported: ONNX Runtime makes a device id and an event database while its library is loaded.
"""

from __future__ import annotations

import os
import sys

# The variable that decides, what turns usage data off, and what does not.
SWITCHES = {
    "MLflow": ("MLFLOW_DISABLE_TELEMETRY", "true", ("false", "0")),
    "ONNX Runtime": ("ORT_DISABLE_TELEMETRY", "1", ("false", "0")),
    "Ray": ("RAY_USAGE_STATS_ENABLED", "0", ("true", "1")),
}
# The packages that send it for libraries which have no such variable; without them these do without.
SENDERS = {"OpenVINO and NNCF": "openvino_telemetry"}


def turn_off() -> None:
    """Set each variable that the user has not set, which later processes inherit, and keep senders from being imported.

    OpenVINO makes an id of its user below `~/intel` as soon as it is imported and sends events, without a question
    where there is no terminal to ask at.
    """
    for sender in SENDERS.values():
        sys.modules.setdefault(sender, None)  # type: ignore[arg-type]  # None: an import of it raises ImportError
    for name, off, _ in SWITCHES.values():
        if not os.environ.get(name):
            os.environ[name] = off


def turned_on() -> list[str]:
    """The libraries for which the user has turned usage data on."""
    return [library for library, (name, _, on) in SWITCHES.items() if os.environ.get(name, "").lower() in on]
