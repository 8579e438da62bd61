"""Everything in a package that is copied: pages, icons, ONNX Runtime Web's files, licences."""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from extbuild.config.runtime import OrtFlavour
from extbuild.errors import BundleError
from extbuild.files import list_files
from extbuild.targets.base import Target

ORT_PACKAGE = "onnxruntime-web"
NOTICES_FILE = "THIRD_PARTY_NOTICES.txt"

# The flavour for CPUs alone has 14.2 MB, the one that also holds a WebGPU backend 26.8 MB. The
# worker's backends ask for the entries "wasm" and "webgpu", which load exactly these files. Of the
# three that have WebGPU, "jspi" (16.8 MB) needs JavaScript Promise Integration, which browsers from
# chrome_min_version and firefox_min_version on need not have, and "jsep" refuses 8-bit products.
_ORT_FILES: Mapping[OrtFlavour, tuple[str, ...]] = {
    "wasm": ("ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}
_ORT_FOLDER = "ort"

_OFFSCREEN_PAGE = "offscreen.html"
_LICENCE_NAMES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "license")


def static_files(source: Path) -> tuple[str, ...]:
    """Paths below extension_src/static."""
    directory = source / "static"
    if not directory.is_dir():
        raise BundleError(f"{source.name}/static", "missing", do="restore it")
    return list_files(directory)


def copy_assets(target: Target, source: Path, unpacked: Path, ort: OrtFlavour | None) -> None:
    """Copy static files, and the ONNX Runtime Web files of the flavour that the worker loads."""
    for file in static_files(source):
        if file != _OFFSCREEN_PAGE or target.offscreen:
            _copy(source / "static" / file, unpacked / file)
    dist = source / "node_modules" / ORT_PACKAGE / "dist"
    for file in _ORT_FILES[ort] if ort is not None else ():
        if not (dist / file).is_file():
            raise BundleError(
                f"{source.name}/node_modules/{ORT_PACKAGE}/dist/{file}",
                "missing",
                do="remove node_modules and build again",
            )
        _copy(dist / file, unpacked / _ORT_FOLDER / file)


def write_licences(
    root: Path,
    source: Path,
    packages: Collection[str],
    ort: OrtFlavour | None,
    unpacked: Path,
) -> None:
    """Our licence, and the notices of every npm package whose code is in the package.

    `packages` are those that were bundled; ONNX Runtime Web's own files are copied.
    """
    licence = root / "LICENSE"
    if not licence.is_file():
        raise BundleError("LICENSE", "missing", do="restore it")
    _copy(licence, unpacked / "LICENSE")
    parts = ["This extension contains the work of others, under these licences.\n"]
    copied = () if ort is None else (ORT_PACKAGE,)
    for package in sorted({*packages, *copied}):
        parts.append(f"\n{'=' * 80}\n{package}\n{'=' * 80}\n\n{_licence_text(source, package)}\n")
    (unpacked / NOTICES_FILE).write_text("".join(parts), encoding="utf-8")


def _licence_text(source: Path, package: str) -> str:
    """The licence that a package ships, or the copy that we keep for packages that ship none."""
    kept = source / "licences" / f"{package.replace('/', '__')}.txt"
    shipped = [source / "node_modules" / package / name for name in _LICENCE_NAMES]
    for path in (*shipped, kept):
        if path.is_file():
            return path.read_text(encoding="utf-8").strip()
    raise BundleError(
        f"{source.name}/node_modules/{package}",
        "its code is in the package, but it ships no licence text",
        do=f"put the text into {source.name}/licences/{kept.name}",
    )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
