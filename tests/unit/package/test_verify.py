import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from extbuild.artifacts import Bundle
from extbuild.errors import PackageError
from extbuild.files import list_files, sha256_file
from extbuild.package.archive import checksums, write_archive
from extbuild.package.verify import verify_archive

FILES = {"manifest.json": b"{}", "background.js": b"'use strict';", "ui/popup.html": b"<!doctype>"}
Change = Callable[[Path], object]


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """What a build for one browser leaves there."""
    unpacked = tmp_path / "chrome/unpacked"
    for name, data in FILES.items():
        (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / name).write_bytes(data)
    package = write_archive(Bundle("chrome", unpacked, tuple(FILES)), tmp_path / "chrome/a.zip")
    (tmp_path / "SHA256SUMS").write_text(checksums([("chrome/a.zip", package.sha256)]))
    return tmp_path


def test_what_was_built_is_counted(dist: Path) -> None:
    expected = (dist / "chrome/a.zip").stat().st_size + sum(map(len, FILES.values()))
    assert verify_archive(dist, "chrome") == expected


def repack(dist: Path) -> None:
    """An archive with an extra member and its hash in SHA256SUMS."""
    with zipfile.ZipFile(dist / "chrome/a.zip", "a") as archive:
        archive.writestr("extra.js", b"1")
    digest = sha256_file(dist / "chrome/a.zip")
    (dist / "SHA256SUMS").write_text(checksums([("chrome/a.zip", digest)]))


# (what happened to dist/, what the error says)
CHANGES: list[tuple[Change, str]] = [
    (
        lambda dist: (dist / "chrome/a.zip").write_bytes(b"PK"),
        r"chrome/a\.zip: changed since it was written",
    ),
    (lambda dist: (dist / "chrome/a.zip").unlink(), r"chrome/a\.zip: missing; build again"),
    (lambda dist: (dist / "SHA256SUMS").unlink(), r"SHA256SUMS: missing; build first"),
    (
        lambda dist: (dist / "SHA256SUMS").write_text(""),
        r"SHA256SUMS: must name one archive of chrome, got 0",
    ),
    (
        lambda dist: (dist / "chrome/unpacked/background.js").write_text("'use strict' "),
        r"unpacked/background\.js: is not what a\.zip holds",
    ),
    (
        lambda dist: (dist / "chrome/unpacked/ui/popup.html").unlink(),
        r"unpacked/ui/popup\.html: missing",
    ),
    (
        lambda dist: (dist / "chrome/unpacked/more.js").write_text("1"),
        r"unpacked/more\.js: not in a\.zip",
    ),
    (repack, r"unpacked/extra\.js: missing"),
]


@pytest.mark.parametrize(("change", "says"), CHANGES, ids=[case[1][:32] for case in CHANGES])
def test_a_file_that_is_not_as_it_was_built_is_named(dist: Path, change: Change, says: str) -> None:
    assert set(list_files(dist / "chrome/unpacked")) == set(FILES)
    change(dist)
    with pytest.raises(PackageError, match=says):
        verify_archive(dist, "chrome")
