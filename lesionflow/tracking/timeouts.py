"""How long MLflow waits for a server that does not answer; by its own defaults, for many minutes.

MLflow reads the settings at every request, and for the whole process. What the user has set stays as it is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

# Further attempts, of which the first is made at once and the others after 4, 8, 16 and 32 seconds; and how many
# seconds without a byte are too many.
_RETRIES, _TIMEOUT = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"
PROMPT = {_RETRIES: "1", _TIMEOUT: "10"}  # somebody waits for an answer: at the worst 20 seconds
PATIENT = {_RETRIES: "5", _TIMEOUT: "30"}  # a training is at its end: a server that restarts is waited for
HASTY = {_RETRIES: "0", _TIMEOUT: "10"}  # somebody asks what is wrong, not for a server that may come back
USERS = {name for name in PROMPT if name in os.environ}


def be_prompt() -> None:
    """Wait for seconds only, from now on."""
    for name, value in PROMPT.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def patient() -> Iterator[None]:
    """Wait longer in the block: a minute where nothing answers, four where a server accepts and then says nothing."""
    before = {name: os.environ.get(name) for name in PATIENT.keys() - USERS}
    os.environ.update({name: PATIENT[name] for name in before})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
