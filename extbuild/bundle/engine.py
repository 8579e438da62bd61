"""The engine: extension_src/engine compiled to WebAssembly by clang of the ziglang package.

Every variant comes from the same sources; what differs is the instructions that a browser must
have. The files depend on the sources and on the version of ziglang alone: sources are named
relative to their folder, and names, paths and producers are left out.
"""

import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from extbuild.artifacts import Variant
from extbuild.bundle.runtime import file_entry
from extbuild.cache import Cache, cache_key
from extbuild.config.runtime import EngineVariants
from extbuild.errors import BundleError
from extbuild.files import sha256_file, write_atomic
from extbuild.process import Finished, Runner, check
from extbuild.targets.base import Target

Build = Variant | Literal["debug"]
"""`debug` is for tests: guard zones around everything that is allocated."""

SHIPPED: tuple[Variant, ...] = ("simd", "relaxed", "threads")
FOLDER = "engine"
"""Of the sources in extension_src, and of the files in a package."""

_COMPILE = (
    "-target",
    "wasm32-freestanding",
    "-std=c11",
    "-O3",
    "-g0",
    "-nostdlib",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-msimd128",
    # There is no libc: clang's copies and fills have to be instructions.
    "-mbulk-memory",
)
# The host brings the memory, of at most 4 GiB, so that weights can be streamed into it and threads
# can share it. With the stack first, an overflow traps instead of overwriting data.
_LINK = (
    "--no-entry",
    "--import-memory",
    "--max-memory=4294967296",
    "--stack-first",
    "-z",
    "stack-size=65536",
    "--export=__heap_base",
    "--strip-all",
)
_COMPILE_FOR: Mapping[Build, tuple[str, ...]] = {
    "simd": (),
    "relaxed": ("-mrelaxed-simd",),
    "threads": ("-mrelaxed-simd", "-matomics", "-DENGINE_THREADS"),
    "debug": ("-mrelaxed-simd", "-DENGINE_GUARDS"),
}
_LINK_FOR: Mapping[Build, tuple[str, ...]] = {"threads": ("--shared-memory",)}

_ERROR = re.compile(
    r"^(?P<place>[^\s:]+:\d+):\d+: (?:fatal )?error: (?P<message>.*)$", re.MULTILINE
)


def build_engine(
    source: Path, cache: Cache, runner: Runner, *, builds: Sequence[Build] = SHIPPED
) -> dict[Build, bytes]:
    """The engine in each of `builds`, from the folder `source` (extension_src) or from `cache`.

    Raises `BundleError` with the compiler's first message if the sources do not compile.
    """
    folder = source / FOLDER
    units = [file.name for file in _sources(folder) if file.suffix == ".c"]
    if not units:
        raise BundleError(f"{source.name}/{FOLDER}", "holds no sources", do="restore it")
    made: dict[Build, bytes] = {}
    for build in builds:

        def make(out: Path, build: Build = build) -> Mapping[str, object]:
            _compile(folder, units, build, out / f"{build}.wasm", runner)
            return {}

        entry = cache.get(_key(folder, build), make)
        made[build] = (entry.directory / f"{build}.wasm").read_bytes()
    return made


def shipped_engine(source: Path, cache: Cache, runner: Runner) -> Mapping[Variant, bytes]:
    """The variants that packages hold."""
    made = build_engine(source, cache, runner)
    return {variant: made[variant] for variant in SHIPPED}


def is_built(source: Path, cache: Cache) -> bool:
    """Whether the variants that packages hold are in `cache`."""
    return all(cache.holds(_key(source / FOLDER, variant)) for variant in SHIPPED)


def _sources(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.c"), *folder.glob("*.h")])


def _key(folder: Path, build: Build) -> str:
    return cache_key(
        f"engine-{build}",
        {"sources": {file.name: sha256_file(file) for file in _sources(folder)}},
        packages=("extbuild.bundle.engine",),
        libraries=("ziglang",),
    )


def write_engine(
    modules: Mapping[Variant, bytes], target: Target, unpacked: Path
) -> EngineVariants:
    """Write the variants that `target` can use into a package; their entries."""
    wanted = [variant for variant in SHIPPED if variant != "threads" or target.shared_memory]
    for variant in wanted:
        write_atomic(unpacked / FOLDER / f"{variant}.wasm", modules[variant])
    entries = {variant: file_entry(unpacked, f"{FOLDER}/{variant}.wasm") for variant in wanted}
    return EngineVariants(
        simd=entries["simd"], relaxed=entries["relaxed"], threads=entries.get("threads")
    )


def _compile(folder: Path, units: Sequence[str], build: Build, out: Path, runner: Runner) -> None:
    """Compile `units`, C files in `folder`, and link them to `out`."""
    zig = [sys.executable, "-m", "ziglang"]
    with tempfile.TemporaryDirectory(prefix=".zig-", dir=out.parent.parent) as scratch:

        def call(name: str, *words: str) -> Finished:
            # Side by side in one cache, calls of zig were seen to lose each other's files.
            caches = {
                f"ZIG_{kind.upper()}_CACHE_DIR": f"{scratch}/{name}/{kind}"
                for kind in ("global", "local")
            }
            return runner([*zig, *words], cwd=folder, env=caches)

        objects = [f"{scratch}/{Path(unit).stem}.o" for unit in units]

        def compile_unit(unit: str, made: str) -> Finished:
            flags = [*_COMPILE, *_COMPILE_FOR[build], "-c", unit, "-o", made]
            return call(Path(unit).stem, "cc", *flags)

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            every = list(pool.map(compile_unit, units, objects))
        for unit, done in zip(units, every, strict=True):
            error = _ERROR.search(done.errors)
            if done.code and error:
                raise BundleError(
                    f"{folder.parent.name}/{FOLDER}/{error['place']}",
                    f"must compile for the variant {build!r}",
                    found=error["message"],
                )
            check(done, place=f"{folder.parent.name}/{FOLDER}/{unit}", wrong="zig cc failed")
        flags = [*_LINK, *_LINK_FOR.get(build, ()), *objects, "-o", str(out)]
        done = call("link", "wasm-ld", *flags)
        check(done, place=f"{folder.parent.name}/{FOLDER} ({build})", wrong="wasm-ld failed")
