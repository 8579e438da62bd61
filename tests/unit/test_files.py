import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from extbuild.errors import StorageError
from extbuild.files import (
    exclusive,
    human_bytes,
    list_files,
    recover_directory,
    require_space,
    require_writable,
    storage_errors,
    swap_directory,
    write_atomic,
)


def _folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "file").write_text(content)
    return path


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target, new = _folder(tmp_path / "dist", "old"), _folder(tmp_path / "new", "new")
    swap_directory(new, target, tmp_path / "aside")
    assert (target / "file").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist"]


def test_a_swap_that_fails_leaves_the_old_folder(tmp_path: Path) -> None:
    target = _folder(tmp_path / "dist", "old")
    with pytest.raises(FileNotFoundError):
        swap_directory(tmp_path / "missing", target, tmp_path / "aside")
    assert (target / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist"]


def test_a_swap_that_was_killed_halfway_is_undone(tmp_path: Path) -> None:
    _folder(tmp_path / "aside", "old")
    recover_directory(tmp_path / "dist", tmp_path / "aside")
    assert (tmp_path / "dist/file").read_text() == "old"


def test_recovery_never_replaces_a_folder_that_is_there(tmp_path: Path) -> None:
    _folder(tmp_path / "aside", "old")
    _folder(tmp_path / "dist", "new")
    recover_directory(tmp_path / "dist", tmp_path / "aside")
    assert (tmp_path / "dist/file").read_text() == "new"


def test_a_full_disk_is_told_with_what_was_needed(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match=r"no space is left on the device, got .* free where"),
        storage_errors(tmp_path, need_bytes=3_000_000),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")


def test_other_errors_of_the_system_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), storage_errors(tmp_path):
        (tmp_path / "missing").read_bytes()


def test_a_file_is_replaced_in_one_step_and_its_draft_removed(tmp_path: Path) -> None:
    write_atomic(tmp_path / "inner/file", b"old")
    write_atomic(tmp_path / "inner/file", b"new")
    assert (tmp_path / "inner/file").read_bytes() == b"new"
    assert list_files(tmp_path) == ("inner/file",)


def test_more_than_the_disk_holds_is_refused_before_writing(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"GB are needed, got .* free; free some space"):
        require_space(tmp_path / "not/yet/there", 10**18)


def test_a_lock_has_one_holder_and_ends_with_its_process(tmp_path: Path) -> None:
    busy = StorageError("here", "another build is running")
    script = (
        "import fcntl, sys\n"
        "lock = open(sys.argv[1], 'a')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "lock")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match="another build"), exclusive(tmp_path / "lock", busy):
            pass
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    with exclusive(tmp_path / "lock", busy):
        assert (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (14_200_000, "14.2 MB"), (2_500_000_000, "2.50 GB")],
)
def test_sizes_are_told_in_powers_of_a_thousand(count: int, text: str) -> None:
    assert human_bytes(count) == text


# (where a result is to be written, what the error says); `file` is a file, `folder` a folder
BAD_PLACES = [
    ("folder", r"/folder: is a folder; name a file in it"),
    ("file/out.json", r"/file(/out\.json)?: (lies below a file|is a file where)"),
    ("file/inner/out.json", r"/file.*: lies below a file; name a place in a folder"),
    ("folder/" + "x" * 300, r"the name is too long"),
    ("/proc/out.json", r"/proc/.*: (no file can be made there|permission denied)"),
]


@pytest.mark.parametrize("check", [require_writable, lambda path: write_atomic(path, b"{}")])
@pytest.mark.parametrize(("place", "says"), BAD_PLACES, ids=[case[0][:20] for case in BAD_PLACES])
def test_a_place_that_takes_no_file_is_told(
    tmp_path: Path, place: str, says: str, check: Callable[[Path], None]
) -> None:
    _folder(tmp_path / "folder", "kept")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StorageError, match=says):
        check(tmp_path / place)
    assert list_files(tmp_path) == ("file", "folder/file")


def test_a_place_is_tried_without_leaving_anything_there(tmp_path: Path) -> None:
    require_writable(tmp_path / "not/yet/there.json")
    assert list(tmp_path.iterdir()) == []
