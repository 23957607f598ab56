"""Entry point of `lesionflow` and `python -m lesionflow`; handles signals that arrive while the command is imported."""

import os
import signal


def _stop_at_once(number: int, frame: object) -> None:
    os.write(2, b"stopped\n")
    os._exit(128 + number)


def main() -> None:
    """Run the command line; before it takes Ctrl-C and SIGTERM itself, and after its end, they end the process."""
    for number, by_default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) == by_default:
            signal.signal(number, _stop_at_once)
    from lesionflow.defaults import no_collection

    with no_collection():
        from lesionflow.cli import main

    main()


if __name__ == "__main__":
    main()
