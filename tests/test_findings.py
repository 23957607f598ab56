import shutil
import subprocess
from pathlib import Path

import pytest

FINDINGS = Path(__file__).parents[1] / "findings"


def test_shellcheck_finds_nothing() -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("no shellcheck")
    done = subprocess.run([shellcheck, *sorted(FINDINGS.glob("*.sh"))], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_readme_lists_every_script() -> None:
    listed = (FINDINGS / "README.md").read_text()
    scripts = {each.name for each in FINDINGS.glob("*.sh")} - {"common.sh", "run_all.sh"}
    assert not [name for name in scripts if f"`{name}`" not in listed]
