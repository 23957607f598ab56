"""One check of `lesionflow doctor`, and how to run those that may crash or hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OK, WARNING, PROBLEM = "ok", "warning", "problem"
_ANSWER = "lesionflow answers: "


@dataclass(frozen=True)
class Check:
    """A check: its subject, result, status and advice."""

    what: str
    found: str
    state: str = OK  # OK, WARNING or PROBLEM
    advice: str = ""


class UnansweredError(Exception):
    """A checking process hung or crashed; the text says which."""


def end_with_parent() -> None:
    """Let this process end when its parent has ended, even by `kill -9`."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def asked_elsewhere(function: str, *given: Any, seconds: float, environment: Mapping[str, str] | None = None) -> Any:
    """Call a function in a separate process, which may crash or hang, and return its result.

    function: as `package.module:name`; arguments and result are such as JSON has. Raises `UnansweredError`, with the
    last line that the process wrote.
    """
    module, _, name = function.partition(":")
    program = (
        f"import json, sys; sys.path.append({str(Path(__file__).parents[2])!r}); "
        f"from {__name__} import end_with_parent; end_with_parent(); from {module} import {name} as ask; "
        f"answer = ask(*json.load(sys.stdin)); print({_ANSWER!r} + json.dumps(answer))"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program],  # -P: nothing that happens to lie in the working folder is imported
            input=json.dumps(given),  # everybody on a machine sees arguments, and an address may hold a password
            capture_output=True, timeout=seconds, env={**os.environ, **(environment or {})}, text=True,
            errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UnansweredError(f"no answer within {seconds:.0f} s") from None
    except OSError as error:
        raise UnansweredError(f"{sys.executable} cannot be started: {error.strerror}") from error
    if done.returncode == 0:
        for line in reversed(done.stdout.splitlines()):
            if line.startswith(_ANSWER):
                return json.loads(line.removeprefix(_ANSWER))
    lines = done.stderr.strip().splitlines()
    ended = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    raise UnansweredError(lines[-1].strip() if lines else f"the process ended with {ended}")
