"""A real PostgreSQL of the test's own, from the binaries that are installed, in a folder that vanishes with it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.registry.serving import free_port

STARTING = 60  # seconds that it may take to begin
# On a machine that is meant to have it, a missing PostgreSQL is a failure and not a reason to skip.
REQUIRED = os.environ.get("CI", "").lower() in ("1", "true") or bool(os.environ.get("LESIONFLOW_REQUIRE_POSTGRES"))


def binaries() -> Path | None:
    """The folder with PostgreSQL's programs, the newest there are; Debian does not put them into PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    in_path = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    return next((folder for folder in (*reversed(debian), *in_path) if (folder / "initdb").exists()), None)


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL that runs."""

    programs: Path
    folder: Path  # with its socket, over which `postgres` needs no password
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """What makes `psql` its superuser."""
        return {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGUSER": "postgres"}


@contextlib.contextmanager
def postgres() -> Iterator[Cluster]:
    """A cluster without data. Over TCP, which listens on this machine alone, it wants passwords."""
    programs = binaries()
    assert programs, "no PostgreSQL: apt-get install postgresql"
    whose: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="lesionflow-postgres-"))  # pytest's own folders are root's alone
    try:
        if os.geteuid() == 0:  # whom PostgreSQL does not serve
            account = _account()
            whose = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(folder, account.pw_uid, account.pw_gid)
        folder.chmod(0o755)
        plain = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(folder)}
        subprocess.run(
            [programs / "initdb", "--pgdata", folder / "data", "--username", "postgres", "--no-sync",
             "--encoding", "UTF8", "--locale", "C", "--auth-local", "trust", "--auth-host", "scram-sha-256"],
            cwd=folder, env=plain, stdout=subprocess.DEVNULL, check=True, **whose,
        )  # fmt: skip
        cluster = Cluster(programs, folder, free_port())
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", "-p", str(cluster.port), "-k", folder,
                 "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
                cwd=folder, env=plain, stdout=log, stderr=log, **whose,
            )  # fmt: skip
        try:
            ready = [str(programs / "pg_isready"), "--quiet"]
            for _ in range(10 * STARTING):
                if subprocess.run(ready, env=plain | cluster.environment).returncode == 0:
                    break
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
            yield cluster
        finally:
            process.send_signal(signal.SIGINT)  # which ends it without waiting for those that are connected
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("neither a user postgres nor nobody")
