import json
import zipfile
from pathlib import Path

import pytest

from extbuild.browsers.packages import gecko_id, read_manifest
from extbuild.errors import PackageError

MANIFEST = {"browser_specific_settings": {"gecko": {"id": "a@b"}}}


def archive(directory: Path, manifest: object) -> Path:
    file = directory / "package.xpi"
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("manifest.json", json.dumps(manifest))
    return file


def test_a_manifest_is_read_alike_from_an_archive_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    assert read_manifest(archive(tmp_path, MANIFEST)) == read_manifest(tmp_path) == MANIFEST


def test_the_add_ons_id_is_in_the_manifest(tmp_path: Path) -> None:
    assert gecko_id(archive(tmp_path, MANIFEST)) == "a@b"


@pytest.mark.parametrize("settings", [{}, {"browser_specific_settings": {"gecko": {}}}])
def test_a_package_without_an_id_cannot_go_into_firefox(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    with pytest.raises(PackageError, match="must name the add-on for Firefox, got None"):
        gecko_id(archive(tmp_path, settings))
