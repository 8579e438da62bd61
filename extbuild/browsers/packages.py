"""Reading an extension that is about to be loaded: a directory, a .zip or a .xpi."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from extbuild.errors import PackageError


def read_manifest(package: Path) -> Mapping[str, object]:
    """The parsed manifest.json of ``package``."""
    if package.is_dir():
        text = (package / "manifest.json").read_text()
    else:
        with zipfile.ZipFile(package) as archive:
            text = archive.read("manifest.json").decode()
    manifest: Mapping[str, object] = json.loads(text)
    return manifest


def gecko_id(package: Path) -> str:
    """The add-on's id for Firefox, ``browser_specific_settings.gecko.id``."""
    settings = read_manifest(package).get("browser_specific_settings")
    gecko = settings.get("gecko") if isinstance(settings, dict) else None
    identifier = gecko.get("id") if isinstance(gecko, dict) else None
    if not isinstance(identifier, str):
        raise PackageError(
            f"{package}: manifest.json: browser_specific_settings.gecko.id",
            "must name the add-on for Firefox",
            found=repr(identifier),
            do="build the package for firefox",
        )
    return identifier
