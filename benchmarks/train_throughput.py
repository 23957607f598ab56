"""Training: the whole loop against the bare compiled step, and against the usual notebook's way; speed and memory.

Each way is a process of its own, `training_loop.py` and `notebook_trainer.py`, on random pixels in HAM10000's
proportions. The whole loop is an epoch with all that belongs to it, validation too; only training images are counted.
The first epoch, in which everything is compiled, is left out. Needs the extra `train`.

    python benchmarks/train_throughput.py [--model cnn] [--preset auto] [--images 7000] [--epochs 3] [--rounds 1]
        [--before CHECKOUT]

With --before an earlier build trains in turns with this one, with its own settings of the same preset.

On a GPU, where auto means the preset `full`, this also says the share of the device's peak; and with `--complete`, how
long `lesionflow train --model cnn` takes from start to end, on HAM10000 or on as many images of the demo set:

    python benchmarks/train_throughput.py --preset full --complete
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from material import HAM10000, Measured, environment, in_turns, machine, make_pixels, measure, median

from lesionflow.training.config import PRESETS, preset_of

BARE_GOAL, NOTEBOOK_GOAL, MEMORY_GOAL = 0.9, 2.0, 0.5
COMPLETE_GOAL = 180  # seconds, on one H100
# Dense multiplications and additions a second in float16 with a float32 sum, in 10^12, by the makers' data sheets.
PEAKS = {"H100 PCIe": 756, "H100": 989, "H200": 989, "A100": 312, "L40S": 362, "L4": 121, "V100": 125, "T4": 65}


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--preset", default="auto", choices=("auto", *PRESETS))
    parser.add_argument("--images", type=int, default=7000, help="to train on; HAM10000's training part is as large")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--peak", type=float, help="the device's peak in 10^12 operations a second, if it is not known")
    parser.add_argument("--before", type=Path, help="root of a checkout of an earlier build")
    parser.add_argument("--complete", action="store_true", help="also measure a complete training")
    options = parser.parse_args()
    preset = chosen_preset(options.preset)
    settings = preset_of(preset, options.model)
    side, batch_size, epochs = settings["image_size"], settings["batch_size"], max(2, options.epochs)
    began = machine()
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_pixels(Path(scratch), options.images * 85 // 70, side, options.model)
        ours = Side(folder, "training_loop.py", options.images, options.model, preset, epochs)
        theirs = Side(folder, "notebook_trainer.py", options.images, batch_size, epochs)
        sides = [ours, theirs]
        if options.before:
            loop = options.before.absolute() / "benchmarks" / "training_loop.py"
            sides.append(Side(folder, loop, options.images, options.model, preset, epochs))
        ours_taken, theirs_taken, *before_taken = in_turns(options.rounds, *(side.run for side in sides))
    told = ours.told[0]
    whole, steps, bare = ours.rate("loop"), ours.rate("steps"), ours.rate("bare", batch_size)
    notebook = theirs.rate("loop")
    print(f"{options.model}, {side} x {side}, {options.images} images, batches of {batch_size}, {told['precision']}")
    print(f"{told['device'] or began}, {options.rounds} rounds of {epochs} epochs, medians")
    print(f"  {'bare compiled step':28} {bare:8.0f} images/s")
    print(f"  {'steps of the training':28} {steps:8.0f} images/s")
    print(f"  {'training, whole':28} {whole:8.0f} images/s {median(ours_taken).peak_mib:8.0f} MiB peak")
    print(f"  {'the usual notebook, whole':28} {notebook:8.0f} images/s {median(theirs_taken).peak_mib:8.0f} MiB peak")
    print(f"steps: {steps / bare:.3f} of the bare step")
    print(f"whole: {whole / bare:.3f} of the bare step (goal: {BARE_GOAL:g})")
    print(f"throughput: {whole / notebook:.2f} times the notebook's (goal: {NOTEBOOK_GOAL:g})")
    memory = median(ours_taken).peak_mib / median(theirs_taken).peak_mib
    print(f"peak memory: {memory:.2f} of the notebook's (goal: under {MEMORY_GOAL:g})")
    peak = options.peak or next((peak for name, peak in PEAKS.items() if name in told["device"]), 0)
    rate = bare * told["operations"] / 1e12
    print(f"bare step: {rate:.2f} x 10^12 operations a second", f"{rate / peak:.1%} of the peak" if peak else "")
    if options.before:
        cost = median(ours_taken).cpu_seconds / median(before_taken[0]).cpu_seconds
        print(f"throughput: {whole / sides[-1].rate('loop'):.3f} times the earlier build's; {cost:.3f} of its CPU time")
    if options.complete:
        with tempfile.TemporaryDirectory() as scratch:
            complete(Path(scratch), options.model, preset)


class Side:
    """One of the trainings: a script beside this one or of another checkout, and what its runs told."""

    def __init__(self, folder: Path, script: str | Path, *arguments: object):
        self.out = folder / "told.json"
        program = Path(__file__).parent / script
        self.checkout = program.parents[1]
        self.command = [sys.executable, str(program), str(folder)]
        self.command += [*map(str, arguments), str(self.out)]
        self.told: list[dict] = []

    def run(self) -> Measured:
        """Train once."""
        taken = measure(self.command, checkout=self.checkout)
        self.told.append(json.loads(self.out.read_text()))
        return taken

    def rate(self, what: str, images: int | None = None) -> float:
        """Images a second, the median over all epochs but each run's first; images: of an epoch if not given."""
        seconds = [one for told in self.told for one in told[what][1:]]
        return (images or self.told[0]["images"]) / statistics.median(seconds)


def chosen_preset(choice: str) -> str:
    """Asked in a process of its own, so that Keras's memory is not this process's."""
    program = "import sys; from lesionflow.training.devices import chosen_preset; print(chosen_preset(sys.argv[1]))"
    command = [sys.executable, "-c", program, choice]
    return subprocess.run(
        command, env=environment(), check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout.strip()


def complete(folder: Path, network: str, preset: str) -> None:
    """Measure the command as a user gives it, decoding, evaluation and registration included, and print its time."""
    data, name = HAM10000, "HAM10000"
    if not data.is_dir():
        from lesionflow.datasets.demo.demo_set import draw_demo_set

        data, name = folder / "demo", "the demo set"
        draw_demo_set(data, images=10_015)
    command = [sys.executable, "-m", "lesionflow", "train", "--model", network, "--preset", preset]
    command += ["--data", str(data.resolve()), "--cache", str(folder / "cache")]
    command += ["--tracking-uri", f"sqlite:///{folder}/mlflow.db"]
    taken = measure(command, folder)
    print(f"lesionflow train --model {network} --preset {preset} on {name}: {taken.seconds:.0f} s", end="")
    print(f" (goal on one H100: {COMPLETE_GOAL:g}), {taken.peak_mib:.0f} MiB peak")


if __name__ == "__main__":
    main()
