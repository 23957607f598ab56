"""A server that fails while a network trains: the training goes on, and what could not be written is written later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import ParamSpec

from lesionflow.errors import RegistryError

ASK_AGAIN = 60  # seconds after a failure: to ask a server that hangs costs 20

_Given = ParamSpec("_Given")


class CircuitBreaker:
    """Makes calls that may fail. That they do is told once, and so is that they no longer do."""

    def __init__(self, tell: Callable[[str], None]):
        self.tell = tell
        self.began: float | None = None  # when the calls began to fail; None while they do not
        self.ask_again = 0.0
        self.asking = threading.Lock()  # epochs and checkpoints are written by different threads

    def attempt(self, call: Callable[_Given, None], *given: _Given.args, **named: _Given.kwargs) -> bool:
        """Whether a call has been made and went well; soon after a failure it is not made."""
        with self.asking:
            if time.monotonic() < self.ask_again:
                return False
            try:
                call(*given, **named)
            except RegistryError as error:
                if self.began is None:
                    self.began = time.monotonic()
                    self.tell(f"warning: {error}; the training goes on, and writes later what the server does not take")
                self.ask_again = time.monotonic() + ASK_AGAIN
                return False
            if self.began is not None:
                self.tell(f"written again, after {time.monotonic() - self.began:.0f} seconds")
                self.began = None
            return True
