"""Puts faults into a copy of the package, one at a time, and shows which test notices: `make mutants`.

Laws:
1. A fault that no test notices fails the run: its guard is either worth a test, or not worth its place.
2. Noticing is a test that fails, not a copy that cannot be imported; and on the copy without a fault every group passes.
The faults are in tests/mutants/faults.toml. Words after the command choose those whose name contains one of them; with
`--check` it only looks whether every fault still fits the code, and runs none.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FAULTS: Final = ROOT / "tests/mutants/faults.toml"
CHECK: Final = "--check"
WORKERS: Final = 2
LONGEST_S: Final = 240
"""A group that takes longer with a fault than this has noticed it: something never comes to rest."""

_PYTEST: Final = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header", "--tb=line")
_ONE_DATABASE: Final = ("-k", "not postgresql")

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "core": (
        *_PYTEST, *(f"tests/core/test_{name}.py" for name in ("alert", "escalation", "incident", "notify")),
    ),
    "rotas": (*_PYTEST, "tests/core/test_rotation.py", "tests/core/test_schedule.py"),
    "shifts": (
        *_PYTEST, *_ONE_DATABASE, "tests/core/test_assignments.py", "tests/core/test_shift_event.py",
        "tests/service/test_shift_schedules.py", "tests/api/test_schedules_v3.py",
    ),
    "rules": (*_PYTEST, "tests/core/test_own_cases.py", "tests/core/test_calendar_rules.py"),
    "proof": (*_PYTEST, "tests/core/test_coverage.py"),
    "processing": (*_PYTEST, *_ONE_DATABASE, "tests/service/test_processing.py"),
    "quiet": (
        *_PYTEST, *_ONE_DATABASE, *(f"tests/core/test_{name}.py" for name in ("maintenance", "grouping", "alert")),
        "tests/service/test_quiet.py", "tests/service/test_hours.py",
    ),
    "quiet_same_time": (*_PYTEST, "tests/promises/test_quiet.py"),
    "inbox": (*_PYTEST, *_ONE_DATABASE, "tests/store/test_inbox.py"),
    "paging": (
        *_PYTEST, *_ONE_DATABASE, "tests/service/test_notify.py", "tests/engine/test_deliver.py", "tests/store/test_outbox.py",
    ),
    "promises": (
        *_PYTEST, *_ONE_DATABASE,
        *(f"tests/promises/test_{name}.py" for name in ("escalation", "events", "reaching_people")),
    ),
    "same_time": (*_PYTEST, "tests/promises/test_at_the_same_time.py"),
    "sim": ("-m", "tests.sim.run", "--seed", "1", "--runs", "8", "--hours", "4"),
}  # fmt: skip
"""What may notice: Python's arguments, run in the copy."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`before` stands in `file` exactly once; `after` takes its place."""

    name: str
    file: str
    before: str
    after: str
    noticed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noticed:
    """Which group's test noticed a fault; None: none did."""

    by: str | None


def misfits(faults: Sequence[Fault]) -> list[str]:
    """What is wrong with faults that cannot be put into the code as it is, in words."""
    found = []
    for fault in faults:
        times = (ROOT / fault.file).read_text().count(fault.before) if (ROOT / fault.file).is_file() else 0
        if times != 1:
            found.append(f"'{fault.name}': its text stands {times} times in {fault.file}, not once: write it anew")
        if fault.before == fault.after:
            found.append(f"'{fault.name}': it changes nothing")
        found += [f"'{fault.name}': there is no group '{group}'" for group in fault.noticed if group not in GROUPS]
        if not fault.noticed:
            found.append(f"'{fault.name}': no group may notice it")
    return found


def all_faults() -> list[Fault]:
    """The whole list."""
    return [Fault(**one | {"noticed": tuple(one["noticed"])}) for one in tomllib.loads(FAULTS.read_text())["fault"]]


def read_faults(wanted: list[str]) -> list[Fault]:
    """The faults of the list, or those whose names contain one of the wanted words. Exits when one does not fit any more."""
    found = all_faults()
    if wrong := misfits(found):
        sys.exit("\n".join(f"mutants: {one}" for one in wrong))
    return [fault for fault in found if not wanted or any(word in fault.name for word in wanted)]


def make_copy(place: Path) -> None:
    """What the tests need, without what they do not."""
    shutil.copytree(ROOT / "tocsin", place / "tocsin", ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    shutil.copytree(ROOT / "tests", place / "tests", ignore=shutil.ignore_patterns("__pycache__", "compat"))
    shutil.copy(ROOT / "pyproject.toml", place)


def ask(place: Path, group: str) -> str | None:
    """The first test of a group that fails in the copy; None when all pass. Exits when the group cannot be run at all."""
    command = [sys.executable, *GROUPS[group]]
    environment = {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin", "HOME": str(place)}
    try:
        done = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{group}: never comes to rest"
    if done.returncode == 0:
        return None
    if "+ Timeout +" in done.stdout + done.stderr:
        return f"{group}: never comes to rest"
    if done.returncode != 1:
        raise RuntimeError(f"the group {group} could not be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    told = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE) or re.search(r"^BROKEN in (.+)", done.stdout, re.MULTILINE)
    if told is None:
        raise RuntimeError(f"the group {group} failed without a test:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return told.group(1)[:150]


def try_out(fault: Fault, copies: "SimpleQueue[Path]") -> Noticed:
    """Put the fault into a copy, ask its groups in turn, and mend the copy."""
    place = copies.get()
    file = place / fault.file
    whole = file.read_text()
    try:
        file.write_text(whole.replace(fault.before, fault.after))
        for group in fault.noticed:
            if (by := ask(place, group)) is not None:
                return Noticed(by)
        return Noticed(None)
    finally:
        file.write_text(whole)
        copies.put(place)


def main(wanted: list[str]) -> int:
    faults = read_faults([word for word in wanted if word != CHECK])
    if CHECK in wanted:
        print(f"mutants: {len(faults)} faults fit the code")
        return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tocsin-mutants-") as folder, ThreadPoolExecutor(WORKERS) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(WORKERS):
            make_copy(Path(folder) / str(number))
            copies.put(Path(folder) / str(number))
        groups = sorted({group for fault in faults for group in fault.noticed})
        sound = Fault("none", "pyproject.toml", "\0", "\0", ())
        for group, said in zip(groups, pool.map(lambda group: _sound(sound, group, copies), groups), strict=True):
            if said is not None:
                print(f"mutants: {group} fails without any fault: {said}")
                return 1
        survived = 0
        for fault, noticed in zip(faults, pool.map(lambda fault: try_out(fault, copies), faults), strict=True):
            survived += noticed.by is None
            print(f"{'noticed ' if noticed.by else 'SURVIVED'}  {fault.name}  <-  {noticed.by or 'nothing'}", flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"mutants: {len(faults) - survived} of {len(faults)} faults were noticed, in {minutes:.1f} minutes")
    return 1 if survived else 0


def _sound(sound: Fault, group: str, copies: "SimpleQueue[Path]") -> str | None:
    return try_out(Fault(sound.name, sound.file, sound.before, sound.after, (group,)), copies).by


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
