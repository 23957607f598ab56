"""The resources that this machine, or the container, grants this process."""

from __future__ import annotations

import locale
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from lesionflow.atomic import can_lock
from lesionflow.defaults import usable_cores
from lesionflow.errors import did_you_mean
from lesionflow.health.check import OK, PROBLEM, WARNING, Check
from lesionflow.images.discovery import cache_folder
from lesionflow.tracking.client import set_here
from lesionflow.usage_data import SENDERS, SWITCHES, turned_on

ENOUGH_MEMORY = 2 * 1024**3  # bytes; TensorFlow alone takes half of it
ENOUGH_DISK, LEAST_DISK = 2 * 1024**3, 100 * 1024**2
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_CGROUP = Path("/sys/fs/cgroup")


def check_machine() -> list[Check]:
    """Cores, memory, locks and the encoding of text."""
    return [_check_cores(), _check_memory(), _check_locks(), _check_encoding()]


def check_disks(cache: Path | None = None, artifacts: Path | None = None) -> list[Check]:
    """The free space where files are written, whether or not the folders exist yet."""
    folders: dict[str, Callable[[], Path]] = {
        "working folder": Path.cwd,
        "cache": lambda: cache_folder(cache),
        "temporary files": lambda: Path(tempfile.gettempdir()),
    }
    folders |= {"artifacts": lambda: artifacts} if artifacts else {}
    return [_check_disk(f"disk, {use}", find) for use, find in folders.items()]


def check_environment(known: Iterable[str]) -> list[Check]:
    """Relevant variables, by name, without their values. known: those that set an option."""
    ours = sorted(name for name in os.environ if name.startswith("LESIONFLOW_"))
    own = {name for name, *_ in SWITCHES.values()} | set_here
    others = sorted(name for name in os.environ if name.startswith("MLFLOW_") and name not in own)
    proxies = sorted(name for name in os.environ if name.lower() in _PROXIES)
    checks = [
        Check("variables", ", ".join(ours + others) or "none of LESIONFLOW_* and MLFLOW_* is set"),
        Check("proxies", f"{', '.join(proxies)} set" if proxies else "none set"),
        _check_usage_data(),
    ]
    known = set(known)
    return checks + (check_variables(set(ours) - known, known) if known else [])


def check_variables(unread: Iterable[str], known: Iterable[str]) -> list[Check]:
    """Warnings of variables that set no option, perhaps because they are misspelt; known: those that set one."""
    return [
        Check(
            "variables",
            f"{name} is read by no command",
            WARNING,
            f"there is no option of that name{did_you_mean(name, known)}",
        )
        for name in sorted(unread)
    ]


def core_limits() -> tuple[int, float | None]:
    """How many cores this process may run on, and the share of them that its container grants, in cores."""
    cores = usable_cores()
    quota, period = (_cgroup("cpu.max") or "max 1").split()
    if quota == "max":
        quota, period = _cgroup("cpu/cpu.cfs_quota_us") or "-1", _cgroup("cpu/cpu.cfs_period_us") or "1"
    return cores, None if quota in ("max", "-1") else int(quota) / int(period)


def memory_limit() -> int | None:
    """Bytes of memory of the machine, or of the container if it has less; None if the system does not report it."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = _cgroup(name)
        if limit and limit.isdigit():
            return min(machine, int(limit))
    return machine


def size(count: float) -> str:
    """Format bytes: `3.2 GB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def _check_usage_data() -> Check:
    on = turned_on()
    off = [f"{library} ({name})" for library, (name, *_) in SWITCHES.items() if library not in on]
    off += [f"{library} ({sender} is not imported)" for library, sender in SENDERS.items()]
    told = f"off: {', '.join(off)}" if off else "off for none"
    if not on:
        return Check("usage data", f"{told}; the others collect none")
    advice = f"to turn it off, unset {' and '.join(SWITCHES[library][0] for library in on)}"
    return Check("usage data", f"ON, as the environment says: {', '.join(on)}; {told}", WARNING, advice)


def _check_cores() -> Check:
    cores, granted = core_limits()
    found = f"{cores} of {os.cpu_count()}"
    if granted is None or granted >= cores:
        return Check("cores", found)
    advice = f"the container grants less than it shows: give score --workers {max(1, round(2 * granted))}"
    return Check("cores", f"{found}, of which the container grants {granted:g}", WARNING, advice)


def _check_memory() -> Check:
    limit = memory_limit()
    if limit is None:
        return Check("memory", "unknown: this system does not tell")
    if limit >= ENOUGH_MEMORY:
        return Check("memory", size(limit))
    return Check("memory", size(limit), WARNING, f"training needs {size(ENOUGH_MEMORY)}; give the container more")


def _check_locks() -> Check:
    if can_lock():
        return Check("locks", "files are locked")
    advice = "never run two commands at once on one report, one download folder or one SQLite store"
    return Check("locks", "this system has no flock: two processes at work on one file do not notice", WARNING, advice)


def _check_encoding() -> Check:
    text, names = locale.getencoding(), sys.getfilesystemencoding()
    if sys.flags.utf8_mode:
        text = "utf-8"
    if text.replace("-", "").lower() == names.replace("-", "").lower() == "utf8":
        return Check("encoding", "UTF-8")
    return Check("encoding", f"text {text}, names of files {names}", WARNING, "set LC_ALL=C.UTF-8 or PYTHONUTF8=1")


def _check_disk(what: str, find: Callable[[], Path]) -> Check:
    try:
        folder = find().absolute()
        there = next(each for each in (folder, *folder.parents) if each.exists())
    except OSError as error:  # none of the usual temporary folders is writable, or the working folder was removed
        return Check(
            what, f"none ({error.strerror or error})", PROBLEM, "name a writable folder in TMPDIR, or change to one"
        )
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Check(what, f"{folder}: {error.strerror}", PROBLEM, "make it readable, or choose another folder")
    found = f"{size(free)} free in {folder}"
    if not os.access(there, os.W_OK):
        return Check(what, f"{found}, not writable", WARNING, f"nothing can be kept there; make {there} writable")
    if free < LEAST_DISK:
        return Check(what, found, PROBLEM, "free some room, or choose another folder")
    if free < ENOUGH_DISK:
        return Check(what, found, WARNING, "a training keeps checkpoints and pixels; free some room")
    return Check(what, found, OK)


def _cgroup(name: str) -> str | None:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return None
