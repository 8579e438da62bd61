import zipfile
from pathlib import Path

import pytest

from extbuild.artifacts import Bundle
from extbuild.files import list_files, sha256_bytes
from extbuild.package.archive import checksums, packed_parts, part_of, write_archive

FILES = {
    "manifest.json": b"{}",
    "background.js": b"'use strict';" * 20,
    "icons/icon-16.png": b"\x89PNG" + bytes(50),
    "ort/ort.wasm": b"\0asm" * 100,
    "models/moderation/weights-000.bin": bytes(range(256)) * 4,
}


def _bundle(directory: Path, order: list[str]) -> Bundle:
    for name in order:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES[name])
    return Bundle("chrome", directory, tuple(order))


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    one = write_archive(_bundle(tmp_path / "one", sorted(FILES)), tmp_path / "one.zip")
    second = _bundle(tmp_path / "two", sorted(FILES, reverse=True))
    (second.directory / "manifest.json").chmod(0o600)
    two = write_archive(second, tmp_path / "two.zip")
    assert one.sha256 == two.sha256 == sha256_bytes((tmp_path / "one.zip").read_bytes())


def test_an_archive_holds_every_file_as_it_was(tmp_path: Path) -> None:
    bundle = _bundle(tmp_path / "in", sorted(FILES))
    package = write_archive(bundle, tmp_path / "out.zip")
    with zipfile.ZipFile(package.file) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        archive.extractall(tmp_path / "again")
    assert list_files(tmp_path / "again") == tuple(sorted(FILES))


def test_members_carry_no_trace_of_the_machine(tmp_path: Path) -> None:
    package = write_archive(_bundle(tmp_path / "in", sorted(FILES)), tmp_path / "out.zip")
    with zipfile.ZipFile(package.file) as archive:
        members = archive.infolist()
    assert [member.filename for member in members] == sorted(FILES)
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
    assert {member.external_attr for member in members} == {0o100644 << 16}
    assert {member.create_system for member in members} == {3}


def test_the_parts_add_up_to_the_archive(tmp_path: Path) -> None:
    package = write_archive(_bundle(tmp_path / "in", sorted(FILES)), tmp_path / "out.zip")
    parts = packed_parts(package)
    assert set(parts) == {"moderation", "onnxruntime-web", "scripts", "pages", "archive"}
    assert sum(parts.values()) == package.bytes


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("models/completion/graph.onnx", "completion"),
        ("ort/ort-wasm-simd-threaded.mjs", "onnxruntime-web"),
        ("ui/popup.js", "scripts"),
        ("ui/popup.html", "pages"),
        ("manifest.json", "pages"),
    ],
)
def test_each_file_belongs_to_a_part(file: str, part: str) -> None:
    assert part_of(file) == part


def test_checksums_are_in_the_form_of_sha256sum() -> None:
    sums = checksums([("firefox/a.xpi", "ff" * 32), ("chrome/a.zip", "cc" * 32)])
    assert sums == f"{'cc' * 32}  chrome/a.zip\n{'ff' * 32}  firefox/a.xpi\n"
