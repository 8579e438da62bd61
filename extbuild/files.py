"""Files at the edge: hashing, listing, atomic writes, and a folder that appears all at once.

Whatever may leave half a file behind goes through here. Every failure of the file system that a
person can mend becomes a `StorageError` that says what was to be written and how much room is left.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from extbuild.errors import StorageError, UserError

_CHUNK_BYTES = 1 << 20

_REMEDIES = {
    errno.ENOSPC: ("no space is left on the device", "free some space and build again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and build again"),
    errno.EFBIG: ("a file grew over the size limit of this process", "raise it (ulimit -f)"),
    errno.EACCES: ("permission denied", "check the permissions of the file and its folder"),
    errno.EPERM: ("operation not permitted", "check the permissions of the file and its folder"),
    errno.EROFS: ("the file system is read-only", "build in a writable folder"),
    errno.EIO: ("the device reported an input/output error", "check the disk"),
}


def sha256_bytes(data: bytes | bytearray | memoryview) -> str:
    """SHA-256 of `data`, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, read in pieces of 1 MiB."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def list_files(directory: Path) -> tuple[str, ...]:
    """Every regular file below `directory` as a sorted POSIX path relative to it."""
    return tuple(
        sorted(
            path.relative_to(directory).as_posix()
            for path in directory.rglob("*")
            if path.is_file()
        )
    )


def tree_bytes(directory: Path) -> int:
    """Sum of the sizes of all files below `directory`."""
    return sum((directory / file).stat().st_size for file in list_files(directory))


def human_bytes(count: float) -> str:
    """A size for people: ``512 B``, ``14.2 MB`` (powers of 1000, as in browsers and stores)."""
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def free_bytes(path: Path) -> int:
    """Bytes that can still be written at `path`, or at its nearest folder that exists."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


@contextmanager
def storage_errors(place: Path, *, need_bytes: int | None = None) -> Iterator[None]:
    """Turn an `OSError` that a person can mend into a `StorageError` about `place`."""
    try:
        yield
    except OSError as error:
        known = _REMEDIES.get(error.errno or 0)
        if known is None:
            raise
        wrong, remedy = known
        found = f"{human_bytes(free_bytes(place))} free"
        if need_bytes is not None:
            found += f" where {human_bytes(need_bytes)} are needed"
        where = error.filename if isinstance(error.filename, str) else str(place)
        raise StorageError(where, wrong, found=found, do=remedy) from error


def require_space(place: Path, need_bytes: int) -> None:
    """Refuse to start writing `need_bytes` below `place` where they cannot fit."""
    free = free_bytes(place)
    if free < need_bytes:
        raise StorageError(
            str(place),
            f"about {human_bytes(need_bytes)} are needed",
            found=f"{human_bytes(free)} free",
            do="free some space and build again",
        )


def write_atomic(path: Path, data: bytes) -> None:
    """Write `path` so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with storage_errors(path, need_bytes=len(data)):
            draft.write_bytes(data)
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def remove_tree(directory: Path) -> None:
    """Remove a folder if it is there."""
    if directory.exists():
        shutil.rmtree(directory)


def swap_directory(new: Path, target: Path, aside: Path) -> None:
    """Put the folder `new` where `target` is; on any failure `target` is what it was.

    All three are on one file system. `aside` holds the old folder for the moment between two
    renames; `recover_directory` puts it back if the process was killed in that moment.
    """
    remove_tree(aside)
    had_target = target.exists()
    try:
        if had_target:
            target.rename(aside)
        new.rename(target)
    except BaseException:
        if aside.exists() and not target.exists():
            aside.rename(target)
        raise
    remove_tree(aside)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM for a block that takes a moment and must not stop halfway."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def recover_directory(target: Path, aside: Path) -> None:
    """Undo a `swap_directory` that was killed between its two renames."""
    if aside.exists() and not target.exists():
        aside.rename(target)


@contextmanager
def exclusive(lock: Path, busy: UserError) -> Iterator[None]:
    """Hold `lock` for the block, or raise `busy` at once if another process holds it.

    An advisory lock of the kernel: it ends with the process, however that ends.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        yield
