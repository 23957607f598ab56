"""A program: score, and die like a killed process at the first, second, third ... step that changes a file system.

After every death the resumed run has to write the undisturbed run's report. Forked processes spare the imports.
Arguments: images, bundle, folder to work in, shard size. Prints how many steps there were.
"""

import itertools
import os
import sys
from pathlib import Path

import onnxruntime  # noqa: F401 (imported once, before the forks)

import lesionflow.registry.versions  # noqa: F401 (as well)
from lesionflow.api.score import score
from lesionflow.errors import ReportError
from lesionflow.scoring.shards import JOB_FILE, job_folder

KILLED, FINISHED, NOTHING_LEFT, WRONG = 9, 0, 1, 2
STEPS = ("replace", "link", "fsync", "unlink", "rmdir", "mkdir")


def die_at(step: int) -> None:
    """Let the step with that number, of all that follow, be the end of the process."""
    left = itertools.count(1)

    def dying(name: str) -> None:
        stepped = getattr(os, name)

        def counted(*arguments: object, **options: object) -> object:
            if next(left) == step:
                os._exit(KILLED)
            return stepped(*arguments, **options)

        setattr(os, name, counted)

    for name in STEPS:
        dying(name)


def score_apart(images: str, bundle: str, out: Path, shard_size: int, step: int = 0) -> int:
    """Score in a process of its own; returns its exit code."""
    child = os.fork()
    if child == 0:
        code = WRONG
        try:
            die_at(step)
            score(images, out, bundle, shard_size=shard_size, resume=True, quiet=True)
            code = FINISHED
        except ReportError as error:
            code = NOTHING_LEFT if "nothing is left to resume" in str(error) else WRONG
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(images: str, bundle: str, folder: Path, shard_size: int) -> int:
    """Die at every step in turn; returns how many there were."""
    undisturbed, out = folder / "undisturbed.csv", folder / "results.csv"
    assert score_apart(images, bundle, undisturbed, shard_size) == FINISHED
    for step in itertools.count(1):
        code = score_apart(images, bundle, out, shard_size, step)
        if code == FINISHED:
            return step - 1
        assert code == KILLED, (step, code)
        done = out.exists() and not (job_folder(out) / JOB_FILE).exists()
        # A report is there whole or not at all, also before anything is resumed.
        assert not out.exists() or out.read_bytes() == undisturbed.read_bytes(), step
        assert score_apart(images, bundle, out, shard_size) == (NOTHING_LEFT if done else FINISHED), step
        assert out.read_bytes() == undisturbed.read_bytes(), step
        left = {entry.name for entry in folder.iterdir()} - {out.name, undisturbed.name}
        # A folder for what is unfinished that had no lock yet, and so is nobody's to remove; nothing else may stay.
        assert all(not list((folder / name).iterdir()) for name in left), (step, left)
        out.unlink()
        for name in left:
            (folder / name).rmdir()
    return 0


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
