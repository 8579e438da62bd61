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
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
# Only where a person chose the path: anywhere else these are bugs of ours.
_PATH_REMEDIES = {
    errno.EISDIR: ("is a folder", "name a file in it"),
    errno.ENOTDIR: ("lies below a file", "name a place in a folder"),
    errno.EEXIST: ("is a file where a folder is needed", "name a place in a folder"),
    errno.ENOENT: ("no file can be made there", "name a place in a folder"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    **_REMEDIES,
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
    return shutil.disk_usage(_nearest(path)).free


def _nearest(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there and may be looked into."""
    while not os.access(path, os.F_OK):
        path = path.parent
    return path


@contextmanager
def storage_errors(
    place: Path,
    *,
    need_bytes: int | None = None,
    remedies: Mapping[int, tuple[str, str]] = _REMEDIES,
) -> Iterator[None]:
    """Turn an `OSError` that a person can mend into a `StorageError` about `place`."""
    try:
        yield
    except OSError as error:
        known = remedies.get(error.errno or 0)
        if known is None:
            raise
        wrong, remedy = known
        # Where the path itself is wrong, room is not what is lacking.
        lacks_room = error.errno in _REMEDIES
        found = f"{human_bytes(free_bytes(place))} free" if lacks_room else ""
        if lacks_room and need_bytes is not None:
            found += f" where {human_bytes(need_bytes)} are needed"
        # Of a rename the second name is the one that a person knows; the first is a draft's.
        names = (error.filename2, error.filename)
        where = next((name for name in names if isinstance(name, str)), str(place))
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
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with storage_errors(path, need_bytes=len(data), remedies=_PATH_REMEDIES):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(data)
            draft.replace(path)
    finally:
        # Whatever stopped the writing may stop this too, and is the error to tell.
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def require_writable(path: Path) -> None:
    """Refuse a place that :func:`write_atomic` could not write; leaves nothing behind.

    For results of long work, before the work begins.
    """
    with storage_errors(path, remedies=_PATH_REMEDIES):
        try:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            with tempfile.TemporaryFile(dir=_nearest(path.parent)):
                pass
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None


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
