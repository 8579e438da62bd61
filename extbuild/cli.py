"""What the tasks call: each command as one function that gives its exit code.

Errors that a person can mend become one line on standard error and exit code 1; Ctrl-C becomes one
line and 130. Our own bugs keep their tracebacks. Modules that load the model libraries are imported
by the command that needs them, so that `inv --list` and `inv clean` answer at once.
"""

import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from extbuild.config.load import load_project
from extbuild.errors import ConfigError, DataError, UserError
from extbuild.files import (
    human_bytes,
    remove_tree,
    require_writable,
    storage_errors,
    write_atomic,
)
from extbuild.progress import Stages, listener_for

INTERRUPTED = 130


def guarded(command: Callable[[], int]) -> int:
    """Run a command; its exit code, with every error that a person can mend told in one line."""
    try:
        with _termination_as_interrupt():
            return command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def build(root: Path, *, as_json: bool) -> int:
    """Build every package into dist/."""
    from extbuild.pipeline import Tools, Workshop
    from extbuild.pipeline import build as build_project
    from extbuild.process import find_node, run

    project = load_project(root)
    try:
        with _stages(as_json=as_json) as stages:
            report = build_project(project, Tools(find_node(), run), stages)
    except KeyboardInterrupt:
        print("interrupted; dist/ is unchanged", file=sys.stderr)
        return INTERRUPTED
    for model in report.models:
        _warn(model.name, model.not_lowered)
    dist = Workshop(project.root).dist
    if as_json:
        record = json.loads((dist / "report.json").read_text())
        print(json.dumps({"event": "built", "report": record}), flush=True)
        return 0
    for package in report.packages:
        print(f"dist/{package.file}  {human_bytes(package.bytes)}  sha256 {package.sha256[:16]}…")
    print("dist/report.html  sizes, quality before and after, permissions")
    return 0


def verify(root: Path) -> int:
    """Check every file of what was built."""
    from extbuild.pipeline import verify as verify_project

    for target, checked in verify_project(load_project(root)).items():
        print(f"dist/{target}: {human_bytes(checked)}, packed and unpacked, are as they were built")
    return 0


def evaluate(root: Path, name: str, *, data: str, out: str) -> int:
    """Measure the model as it ships on a file of the user's own."""
    from extbuild.evaluate.run import evaluate_file
    from extbuild.pipeline import Workshop, engine_modules
    from extbuild.prepare import prepare
    from extbuild.process import run

    _require(data, "eval", "--data", "FILE.jsonl")
    _require(out, "eval", "--json", "OUT.json")
    if not Path(data).is_file():
        raise DataError(data, "is missing", do="give a .jsonl file, one JSON object per line")
    require_writable(Path(out).absolute())
    project = load_project(root)
    entry = project.model(name)
    place = Workshop(project.root)
    with _stages(as_json=False) as stages:
        with storage_errors(project.root), place.exclusive():
            modules = engine_modules(project, run, stages)
            model = prepare(entry, modules, place.cache, stages)
        with stages.stage(f"evaluate {name}") as step:
            result = evaluate_file(
                name,
                model.compiled,
                model.settings,
                Path(data),
                progress=lambda done, total: step(f"{done} of {total} rows"),
            )
    _warn(name, model.compiled.not_lowered)
    text = json.dumps(result, indent=1, allow_nan=False)
    write_atomic(Path(out).absolute(), f"{text}\n".encode())
    for line in figures(result):
        print(line)
    return 0


def figures(result: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """The numbers of an evaluation as lines, without its rows: ``auc.mean   0.9461``."""
    for key, value in result.items():
        match value:
            case bool():
                continue
            case int():
                yield f"{prefix + key:<28} {value}"
            case float():
                yield f"{prefix + key:<28} {value:.4f}"
            case Mapping():
                yield from figures(value, f"{prefix}{key}.")


def generate(root: Path) -> int:
    """Write the generated sources."""
    from extbuild.bundle.typescript import OUTPUT, runtime_types

    write_atomic(root / OUTPUT, runtime_types().encode())
    print(OUTPUT)
    return 0


def clean(root: Path) -> int:
    """Remove what builds made: dist/ and the cache."""
    from extbuild.pipeline import Workshop

    place = Workshop(root.resolve())
    with storage_errors(root), place.exclusive():
        remove_tree(place.dist)
        remove_tree(place.drafts)
        remove_tree(place.cache_directory)
    return 0


def check(root: Path) -> int:
    """Formatter, linter and both type checkers; all of them, even if one complains."""
    from extbuild.bundle.scripts import install_packages
    from extbuild.process import find_node, run, run_visibly

    node = find_node()
    source = load_project(root).root / "extension_src"
    install_packages(source, node=node, runner=run)
    tsc = source / "node_modules" / "typescript" / "bin" / "tsc"
    python = [sys.executable, "-m"]
    commands = [
        [*python, "ruff", "format", "--check", "."],
        [*python, "ruff", "check", "."],
        [*python, "mypy"],
        [str(node.program), str(tsc), "--project", str(source)],
    ]
    codes = [run_visibly(command, cwd=root) for command in commands]
    return 1 if any(codes) else 0


def test(root: Path, *, arguments: str) -> int:
    """Build, find the browsers, run every test."""
    from extbuild.process import find_node, run_visibly

    code = build(root, as_json=False)
    if code:
        return code
    node = find_node()
    command = [sys.executable, "-m", "pytest", *shlex.split(arguments)]
    return run_visibly(command, cwd=root, env=node.env)


def bench(root: Path, *, out: str, quick: bool = False, only: str = "") -> int:
    """Measure the engine and the built extension in real browsers beside their peers."""
    from extbuild.bench.run import bench as bench_project

    _require(out, "bench", "--json", "OUT.json")
    require_writable(Path(out).absolute())
    parts = [part for part in only.split(",") if part]
    with _stages(as_json=False) as stages:
        return bench_project(load_project(root), Path(out), stages, quick=quick, only=parts)


def train(name: str, *, data: str, max_minutes: str, arguments: str) -> int:
    """Train the model `name` with the extra `train`; empty options keep the trainer's defaults."""
    from extbuild.train.cli import main

    given = {"--data": data, "--max-minutes": max_minutes}
    options = [part for option, value in given.items() if value for part in (option, value)]
    return main([name, *options, *shlex.split(arguments)])


def _warn(name: str, not_lowered: str | None) -> None:
    """Tell of a model that the engine does not run, whether or not that was found out just now."""
    if not_lowered is not None:
        print(f"warning: {name} runs on ONNX Runtime Web: {not_lowered}", file=sys.stderr)


@contextmanager
def _stages(*, as_json: bool) -> Iterator[Stages]:
    listener = listener_for(sys.stdout, as_json=as_json)
    try:
        yield Stages(listener)
    finally:
        listener.close()


def _require(value: str, command: str, option: str, example: str) -> None:
    if not value:
        raise ConfigError(f"inv {command}", f"needs {option}", do=f"add {option} {example}")


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that drafts are removed there too."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
