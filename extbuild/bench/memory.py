"""How much memory a browser's processes take, from /proc, which Linux has.

Resident memory of one process, its peak included: the kernel keeps the peak, so nothing is missed
between two looks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_RESET_PEAK = "5"  # see clear_refs in proc(5)


@dataclass(frozen=True, slots=True)
class Resident:
    """Bytes in memory now, and the most there were since the peak was reset."""

    now: int
    peak: int


def is_supported(proc: Path = PROC) -> bool:
    """Whether this machine tells what its processes take."""
    return (proc / "self" / "clear_refs").exists()


def descendants(pid: int, proc: Path = PROC) -> frozenset[int]:
    """Every process that ``pid`` started, and those that they started."""
    children: dict[int, list[int]] = {}
    for entry in proc.iterdir():
        if entry.name.isdecimal() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        fresh = [child for child in children.get(waiting.pop(), ()) if child not in found]
        found.update(fresh)
        waiting += fresh
    return frozenset(found)


def reset_peaks(pids: Iterable[int], proc: Path = PROC) -> Mapping[int, Resident]:
    """Forget the peaks until now; what each process takes at this moment."""
    before = {}
    for pid in pids:
        if (taken := resident(pid, proc)) is not None:
            before[pid] = Resident(taken.now, taken.now)
            (proc / str(pid) / "clear_refs").write_text(_RESET_PEAK)
    return before


def most_growth(before: Mapping[int, Resident], pids: Iterable[int], proc: Path = PROC) -> int:
    """The most that the peak of one process lies above what it took before, bytes.

    Loading a model makes the process grow that holds it; a process that is new began with nothing.
    """
    growth = [0]
    for pid in pids:
        if (taken := resident(pid, proc)) is not None:
            growth.append(taken.peak - (before[pid].now if pid in before else 0))
    return max(growth)


def resident(pid: int, proc: Path = PROC) -> Resident | None:
    """What a process takes; None where it has ended."""
    try:
        lines = (proc / str(pid) / "status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    sizes = {
        key: int(value.split()[0]) * 1024
        for key, _, value in (line.partition(":") for line in lines)
        if key in ("VmRSS", "VmHWM")
    }
    return Resident(sizes["VmRSS"], sizes["VmHWM"]) if len(sizes) == 2 else None


def _parent(entry: Path) -> int | None:
    try:
        stat = (entry / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # pid (name) state ppid …: the name may hold spaces and brackets.
    return int(stat.rpartition(")")[2].split()[1])
