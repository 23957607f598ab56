"""One image, whole process, against importing MLflow and Keras: what every run pays before its first image.

From a bundle folder; from `models:/` in an SQLite registry on this machine; from one on an `mlflow server`, over HTTP,
that hands artifacts on; and from one that only MLflow itself can ask, which is what any other kind of registry costs.

    python benchmarks/score_startup.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from material import environment, in_turns, machine, make_bundle, make_pictures, measure, median, score_command

GOALS = {
    "from a bundle folder": 0.2,
    "from models:/ (SQLite here)": 0.5,
    "from models:/ (mlflow server)": 0.5,
    "from models:/ (asking MLflow)": 0.5,
}

REGISTER = """
import sys
from pathlib import Path
from lesionflow.model.card import Estimate, read_card, write_card
from lesionflow.tracking import runs as tracking
from lesionflow.tracking.tracking_store import connect
from lesionflow.api.promote import promote
from lesionflow.registry import versions
import dataclasses
folder, image = Path(sys.argv[1]), Path(sys.argv[2])
connect(sys.argv[3], writes=True)
card = read_card(folder)
metrics = {"validation": {versions.DECIDING: Estimate(0.5, 0.5, 0.5)}}
card = write_card(folder, dataclasses.replace(card, metrics=metrics))
with tracking.run("benchmark", "benchmark"):
    version = versions.register_bundle(folder, card, "lesionflow", image.read_bytes())
promote("lesionflow", version.number, tracking_uri=sys.argv[3], force=True, reason="a benchmark")
"""


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch), Path(scratch) / "r.csv"
        make_pictures(folder / "images", 1)
        image = folder / "images" / "image000000.jpg"
        bundle = make_bundle(folder / "bundle")
        with server(folder) as address:
            for store in (f"sqlite:///{folder}/mlflow.db", address):
                command = [sys.executable, "-c", REGISTER, str(bundle), str(image), store]
                subprocess.run(command, cwd=folder, env=environment(), check=True)
            began = machine()
            champion = "models:/lesionflow@champion"
            imports, *scored = in_turns(
                options.rounds,
                lambda: measure([sys.executable, "-c", "import mlflow, keras"]),
                lambda: measure(score_command(image, out, bundle)),
                lambda: measure(score_command(image, out, champion, "--tracking-uri", f"sqlite:///{folder}/mlflow.db")),
                lambda: measure(score_command(image, out, champion, "--tracking-uri", address)),
                # A question mark makes the address one that only MLflow reads.
                lambda: measure(
                    score_command(image, out, champion, "--tracking-uri", f"sqlite:///{folder}/mlflow.db?timeout=5")
                ),
            )
    print(f"one JPEG file of 600 x 450, whole processes, {began}, {options.rounds} rounds, medians")
    base = median(imports)
    print(f"  {'import mlflow, keras':30} {base.seconds:6.2f} s {base.cpu_seconds:6.2f} CPU s {base.peak_mib:6.0f} MiB")
    for (name, goal), taken in zip(GOALS.items(), scored, strict=True):
        one = median(taken)
        print(f"  {name:30} {one.seconds:6.2f} s {one.cpu_seconds:6.2f} CPU s {one.peak_mib:6.0f} MiB", end="")
        print(f"   {one.seconds / base.seconds:.3f} of its time (goal: {goal:g}), ", end="")
        print(f"{one.cpu_seconds / base.cpu_seconds:.3f} of its CPU time")


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """An `mlflow server` with a database and artifacts of its own, idle while others are measured."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", address.rsplit(":", 1)[1], "--workers", "1"]
    kept = ["--backend-store-uri", f"sqlite:///{folder}/served.db", "--artifacts-destination", str(folder / "served")]
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen([*command, *kept], stdout=log, stderr=log, env=environment()) as process,
    ):
        try:
            for _ in range(240):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{address}/health", timeout=5).close()
                    break
                if process.poll() is not None:
                    raise SystemExit((folder / "server.log").read_text())
                time.sleep(0.5)
            yield address
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
