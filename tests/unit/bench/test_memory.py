from pathlib import Path

import pytest

from extbuild.bench.memory import Resident, descendants, most_growth, reset_peaks, resident

KIB = 1024


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A machine on which 10 started 11 and 12, 12 started 13, and 20 is nobody's."""
    for pid, parent in ((10, 1), (11, 10), (12, 10), (13, 12), (20, 1)):
        _process(tmp_path, pid, parent, now=100, peak=900)
    (tmp_path / "meminfo").write_text("not a process")
    return tmp_path


def _process(proc: Path, pid: int, parent: int, *, now: int, peak: int) -> None:
    entry = proc / str(pid)
    entry.mkdir(exist_ok=True)
    (entry / "stat").write_text(f"{pid} (Web Content (x) 1) S {parent} 1 1 0")
    (entry / "status").write_text(f"Name:\tx\nVmHWM:\t {peak} kB\nVmRSS:\t {now} kB\n")


def test_what_a_browser_started_and_what_that_started(proc: Path) -> None:
    assert descendants(10, proc) == {11, 12, 13}
    assert descendants(20, proc) == frozenset()


def test_now_and_peak_are_bytes(proc: Path) -> None:
    assert resident(11, proc) == Resident(100 * KIB, 900 * KIB)


def test_a_process_that_ended_takes_nothing(proc: Path) -> None:
    assert resident(99, proc) is None
    assert most_growth({}, [99], proc) == 0


def test_growth_is_that_of_the_process_that_grew_most(proc: Path) -> None:
    before = reset_peaks([11, 12], proc)
    assert (proc / "11" / "clear_refs").read_text() == "5"
    _process(proc, 11, 10, now=150, peak=400)
    _process(proc, 12, 10, now=100, peak=120)
    assert most_growth(before, [11, 12], proc) == 300 * KIB


def test_a_new_process_began_with_nothing(proc: Path) -> None:
    before = reset_peaks([11], proc)
    _process(proc, 13, 12, now=500, peak=600)
    assert most_growth(before, [11, 13], proc) == 800 * KIB
