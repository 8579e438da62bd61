"""What the benchmark's server serves: pages, scripts, the engine's variants, the peers' files."""

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from extbuild.bundle.engine import build_engine
from extbuild.bundle.scripts import BUILD_SCRIPT, install_packages
from extbuild.cache import Cache
from extbuild.files import remove_tree, sha256_bytes
from extbuild.process import Node, Runner, check

PEERS = "bench"
"""Folder of extension_src with the pages, and with the npm packages that only they need."""
_SCRIPTS = {"page.js": "bench/page.ts", "worker.js": "bench/worker.ts"}
_THREAD = {"thread.js": "src/worker/thread.ts"}
_FLOOR = ("-target", "wasm32-freestanding", "-std=c11", "-O3", "-nostdlib", "-Wall", "-Wextra")
_LINK = ("--no-entry", "--import-memory", "--stack-first", "--strip-all")


def build_site(
    source: Path, folder: Path, cache: Cache, *, node: Node, runner: Runner
) -> Mapping[str, Path]:
    """Make the site in ``folder``; what ``server.serving`` needs. ``source`` is extension_src.

    The peers' npm packages are installed when they are not there yet.
    """
    install_packages(source, node=node, runner=runner)
    install_packages(source / PEERS, node=node, runner=runner)
    remove_tree(folder)
    folder.mkdir(parents=True)
    requests = [_bundle(source, entry, folder / name) for name, entry in _SCRIPTS.items()]
    requests += [_bundle(source, entry, folder / name) for name, entry in _THREAD.items()]
    done = runner(
        [str(node.program), BUILD_SCRIPT], cwd=source, env=node.env, stdin=json.dumps(requests)
    )
    check(done, place=f"{source.name}/{PEERS}", wrong="esbuild failed")
    shutil.copy(source / PEERS / "page.html", folder)
    _write_engine(source, folder, cache, runner)
    _write_floor(source / PEERS, folder, runner)
    return {
        "": folder,
        "npm": source / PEERS / "node_modules",
        "ort": source / "node_modules" / "onnxruntime-web" / "dist",
    }


def _bundle(source: Path, entry: str, output: Path) -> dict[str, object]:
    """Options of esbuild; the same as for a package as far as speed goes."""
    return {
        "absWorkingDir": str(source),
        "entryPoints": [str(source / entry)],
        "outfile": str(output),
        "bundle": True,
        "format": "esm",
        "platform": "browser",
        "target": ["es2023"],
        "charset": "utf8",
    }


def _write_engine(source: Path, folder: Path, cache: Cache, runner: Runner) -> None:
    """The engine's variants, and engine.json with their entries as runtime.json has them."""
    (folder / "engine").mkdir()
    entries = {}
    for variant, module in build_engine(source, cache, runner).items():
        file = f"/engine/{variant}.wasm"
        (folder / file.lstrip("/")).write_bytes(module)
        entries[variant] = {"file": file, "bytes": len(module), "sha256": sha256_bytes(module)}
    (folder / "engine" / "engine.json").write_text(json.dumps(entries), encoding="utf-8")


def _write_floor(source: Path, folder: Path, runner: Runner) -> None:
    """floor.wasm: the scalar floor, by the compiler of the engine."""
    zig: Sequence[str] = (sys.executable, "-m", "ziglang")
    with tempfile.TemporaryDirectory(prefix="extbuild-floor-") as scratch:
        env = {"ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
        unit = f"{scratch}/floor.o"
        for command in (
            ["cc", *_FLOOR, "-c", "floor.c", "-o", unit],
            ["wasm-ld", *_LINK, unit, "-o", str(folder / "floor.wasm")],
        ):
            done = runner([*zig, *command], cwd=source, env=env)
            check(done, place=f"{PEERS}/floor.c", wrong=f"zig {command[0]} failed")
