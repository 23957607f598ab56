"""Run the tests of the workarounds for MLflow against every release of MLflow from the floor on.

    python scripts/mlflow_versions.py            # 3.17.0, 3.17.1, 3.17.2, 3.18.0
    python scripts/mlflow_versions.py 3.19.0

Each release is installed into an environment of its own on top of this one, which needs a package index. Parts of a
release that the index lacks (3.18.0 came without its mlflow-skinny) are taken from this environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

RELEASES = ("3.17.0", "3.17.1", "3.17.2", "3.18.0")
ROOT = Path(__file__).parents[1]
TESTS = (
    "tests/registry/test_resolution.py",
    "tests/registry/test_lookup.py",
    "tests/tracking/test_whole_run.py",
)
CHOSEN = "short_way or imports_no_mlflow or left_to_mlflow or exchanged or mlflow_writes"


def run(release: str) -> bool:
    """Install a release, and say whether the tests pass with it."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        packages = subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
        (Path(packages) / "zz_beneath.pth").write_text(sysconfig.get_path("purelib") + "\n")
        for package in ("mlflow", "mlflow-skinny", "mlflow-tracing"):
            asked = [python, "-m", "pip", "install", "--quiet", "--no-deps", f"{package}=={release}"]
            if subprocess.run(asked, stderr=subprocess.DEVNULL, check=False).returncode:
                if package == "mlflow":
                    print(f"{release}: not on the index")
                    return False
                print(f"{release}: without its {package}")
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        found = "import warnings; warnings.simplefilter('ignore'); import mlflow; print(mlflow.__version__)"
        version = subprocess.check_output([python, "-c", found], text=True, env=environment).strip()
        assert version == release, version
        tests = [python, "-m", "pytest", "-q", "-n0", "-W", "ignore:Versions of mlflow", *TESTS, "-k", CHOSEN]
        return subprocess.run(tests, cwd=ROOT, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    outcomes = {release: run(release) for release in sys.argv[1:] or RELEASES}
    print(*(f"{release}: {'passed' if passed else 'FAILED'}" for release, passed in outcomes.items()), sep="\n")
    sys.exit(not all(outcomes.values()))
