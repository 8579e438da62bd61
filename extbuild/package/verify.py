"""Comparing archives with their recorded hashes, and with the unpacked files beside them."""

import zipfile
from pathlib import Path

from extbuild.artifacts import TargetName
from extbuild.errors import PackageError
from extbuild.files import list_files, sha256_bytes, sha256_file, tree_bytes

SUMS_FILE = "SHA256SUMS"
_REBUILD = "build again: ./inv build"


def verify_archive(dist: Path, target: TargetName) -> int:
    """Check the archive of one browser against SHA256SUMS, and `unpacked/` against the archive.

    Gives the number of bytes checked. Raises `PackageError` for a file that is missing, changed or
    in one of the two only.
    """
    file, digest = _recorded(dist, target)
    if not file.is_file():
        raise PackageError(str(file), "missing", do=_REBUILD)
    found = sha256_file(file)
    if found != digest:
        raise PackageError(
            str(file),
            f"changed since it was written: SHA-256 must be {digest[:16]}…",
            found=f"{found[:16]}…",
            do=_REBUILD,
        )
    unpacked = dist / target / "unpacked"
    with zipfile.ZipFile(file) as archive:
        members, files = set(archive.namelist()), set(list_files(unpacked))
        for name in sorted(members | files):
            if name not in files:
                raise PackageError(str(unpacked / name), "missing", do=_REBUILD)
            if name not in members:
                raise PackageError(str(unpacked / name), f"not in {file.name}", do=_REBUILD)
            if sha256_bytes(archive.read(name)) != sha256_file(unpacked / name):
                raise PackageError(
                    str(unpacked / name), f"is not what {file.name} holds", do=_REBUILD
                )
    return file.stat().st_size + tree_bytes(unpacked)


def _recorded(dist: Path, target: TargetName) -> tuple[Path, str]:
    """The archive of a browser and its SHA-256, as SHA256SUMS has them."""
    sums = dist / SUMS_FILE
    if not sums.is_file():
        raise PackageError(str(sums), "missing", do="build first: ./inv build")
    lines = [line.split("  ", 1) for line in sums.read_text(encoding="utf-8").splitlines()]
    named = [line for line in lines if len(line) == 2 and line[1].startswith(f"{target}/")]
    if len(named) != 1:
        raise PackageError(
            str(sums), f"must name one archive of {target}", found=str(len(named)), do=_REBUILD
        )
    [[digest, file]] = named
    return dist / file, digest
