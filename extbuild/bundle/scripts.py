"""Bundling the extension's TypeScript: which scripts a browser gets, and esbuild to make them."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from extbuild.artifacts import Task
from extbuild.bundle.runtime import Needs
from extbuild.config.runtime import OrtFlavour
from extbuild.errors import BundleError
from extbuild.files import sha256_file, write_atomic
from extbuild.process import Node, Runner, check
from extbuild.targets.base import Target

BUILD_SCRIPT = "build.mjs"
_NPM_MARKER = ".extbuild-lock"


@dataclass(frozen=True, slots=True)
class Script:
    """One bundle: `source` under extension_src, `output` in the package.

    A worker is an ES module because ONNX Runtime Web finds its files by ``import.meta.url``; the
    others are plain scripts, which is all that a content script can be.
    """

    source: str
    output: str
    module: bool = False


def plan_scripts(target: Target, features: Collection[Task], needs: Needs) -> tuple[Script, ...]:
    """The scripts of one package: what is not in it has no script either."""
    scripts = [
        Script("src/background/main.ts", "background.js"),
        Script("src/worker/main.ts", "worker.js", module=True),
        Script("src/ui/popup/main.ts", "ui/popup.js"),
        Script("src/ui/options/main.ts", "ui/options.js"),
    ]
    if target.offscreen:
        scripts.append(Script("src/offscreen/main.ts", "offscreen.js"))
    if needs.engine and target.shared_memory:
        scripts.append(Script("src/worker/thread.ts", "worker_thread.js", module=True))
    scripts += [
        Script(f"src/content/{task}/main.ts", f"content-{task}.js") for task in sorted(features)
    ]
    return tuple(scripts)


def esbuild_options(
    script: Script, target: Target, ort: OrtFlavour | None, source: Path, unpacked: Path
) -> dict[str, object]:
    """Options of esbuild's build() for one script.

    The conditions choose files in package.json's "imports": the browser's host, and the backend for
    the flavour of ONNX Runtime Web that is in the package, or one that says there is none.
    Names are kept, so that a reviewer can read what ships; white space and syntax are not.
    """
    return {
        "absWorkingDir": str(source),
        "entryPoints": [str(source / script.source)],
        "outfile": str(unpacked / script.output),
        "bundle": True,
        "format": "esm" if script.module else "iife",
        "platform": "browser",
        "target": [target.esbuild_target],
        # extern-wasm: ONNX Runtime Web loads its .mjs and .wasm from files beside the worker; the
        # entry with everything inside it cannot start threads in an extension.
        "conditions": [
            target.condition,
            *(() if ort is None else (f"ort-{ort}", "onnxruntime-web-use-extern-wasm")),
        ],
        "alias": {"#runtime": str(unpacked / "runtime.json")},
        "minifyWhitespace": True,
        "minifySyntax": True,
        "legalComments": "none",
        "charset": "utf8",
    }


def bundle_scripts(
    target: Target,
    features: Collection[Task],
    needs: Needs,
    source: Path,
    unpacked: Path,
    *,
    node: Node,
    runner: Runner,
) -> frozenset[str]:
    """Write the scripts into `unpacked`, where runtime.json already is.

    Gives the names of the npm packages whose code went into them.
    """
    scripts = plan_scripts(target, features, needs)
    for script in scripts:
        if not (source / script.source).is_file():
            raise BundleError(f"{source.name}/{script.source}", "missing", do="restore it")
    requests = [esbuild_options(script, target, needs.ort, source, unpacked) for script in scripts]
    done = runner(
        [str(node.program), BUILD_SCRIPT], cwd=source, env=node.env, stdin=json.dumps(requests)
    )
    said = check(done, place=f"{source.name} ({target.name})", wrong="esbuild failed")
    bundles = json.loads(said)
    return frozenset(
        package
        for bundle in bundles.values()
        for path in bundle["inputs"]
        if (package := npm_package(path)) is not None
    )


def npm_package(path: str) -> str | None:
    """Name of the npm package that a bundled file belongs to; None for our own sources."""
    _, found, inside = path.rpartition("node_modules/")
    if not found:
        return None
    parts = inside.split("/")
    return "/".join(parts[:2]) if inside.startswith("@") else parts[0]


def install_packages(source: Path, *, node: Node, runner: Runner) -> bool:
    """Install the locked npm packages if they are not there yet; tells whether it had to.

    The marker is written last and holds the lock file's hash: an interrupted install is repeated.
    """
    lock = source / "package-lock.json"
    if not lock.is_file():
        raise BundleError(f"{source.name}/package-lock.json", "missing", do="restore it")
    marker = source / "node_modules" / _NPM_MARKER
    wanted = sha256_file(lock)
    if marker.is_file() and marker.read_text().strip() == wanted:
        return False
    done = runner([str(node.program), str(node.npm_cli), "ci"], cwd=source, env=node.env)
    check(
        done,
        place=f"{source.name}/package-lock.json",
        wrong="npm ci failed",
        do="the npm packages are fetched once: check the network or npm's registry setting",
    )
    write_atomic(marker, f"{wanted}\n".encode())
    return True
