"""``inv bench``: the built packages in both browsers, beside native ONNX Runtime, in one run."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from extbuild.bench import extension, native
from extbuild.bench.packed import Packed, read_packed
from extbuild.bench.rows import Row, Sample, as_json, ratios_of, rows_of
from extbuild.bench.shapes import ROUNDS
from extbuild.bench.table import bench_table
from extbuild.browsers import Browser, find_programs, start
from extbuild.browsers.engine import SILENT_PAGE
from extbuild.browsers.programs import ThisMachine
from extbuild.config.load import Project
from extbuild.errors import PackageError
from extbuild.files import write_atomic
from extbuild.process import run

# Most that extension / native may be, by the name of the ratio. None is set yet.
GOALS: Mapping[str, float] = {}
SCRIPT_DEADLINE_S = 300


def bench(project: Project, out: Path) -> int:
    """Measure what is in dist/, print it and write ``out``; 1 if a goal is not reached."""
    console = Console()
    dist = project.root / "dist"
    archives = {target: _archive(dist / target) for target in project.extension.targets}
    packed = read_packed(dist / next(iter(archives)) / "unpacked")
    sizes = list[Row]()
    samples = list[Sample]()
    with ExitStack() as stack:
        browsers = {}
        for target, archive in archives.items():
            programs = find_programs(target, ThisMachine(run))
            browser = stack.enter_context(start(target, programs, [archive]))
            name = f"{target} {_major_version(browser.driver.capabilities)}"
            browser.driver.set_script_timeout(SCRIPT_DEADLINE_S)
            browser.driver.get(browser.url(SILENT_PAGE))
            browsers[name] = browser
            sizes.append(_size(archive, name))
        for turn in range(ROUNDS):
            console.print(f"round {turn + 1} of {ROUNDS} …")
            samples += _native(packed, turn)
            for name, browser in browsers.items():
                samples += _browser(browser, name, packed, turn)
    rows = [*rows_of(samples), *sizes]
    ratios = ratios_of(rows, GOALS)
    console.print(bench_table(rows, ratios))
    text = json.dumps(as_json(rows, ratios), indent=1, allow_nan=False)
    write_atomic(out.absolute(), f"{text}\n".encode())
    return 1 if any(ratio.passed is False for ratio in ratios) else 0


def _size(archive: Path, browser: str) -> Row:
    size = archive.stat().st_size
    return Row("package", "extension", "archive", "size", "bytes", size, 1, None, browser)


def _archive(directory: Path) -> Path:
    found = [file for file in directory.glob("*") if file.suffix in (".zip", ".xpi")]
    if len(found) != 1:
        raise PackageError(
            str(directory),
            "must hold one archive to measure",
            found=", ".join(file.name for file in found) or "none",
            do="build first: ./inv build",
        )
    return found[0]


def _major_version(capabilities: Mapping[str, object]) -> str:
    """``156`` of ``156.0.8078.79``."""
    return str(capabilities["browserVersion"]).partition(".")[0]


def _native(packed: Packed, turn: int) -> list[Sample]:
    moderation, completion = packed.moderation, packed.completion
    samples = native.measure_moderation(*moderation, turn) if moderation else []
    return samples + (native.measure_completion(*completion, turn) if completion else [])


def _browser(browser: Browser, name: str, packed: Packed, turn: int) -> list[Sample]:
    samples = list[Sample]()
    if packed.moderation:
        _, compiled = packed.moderation
        tokenizer = native.tokenizer_of(compiled)
        samples += extension.measure_moderation(browser, name, tokenizer, turn)
    if packed.completion:
        runtime, compiled = packed.completion
        samples += extension.measure_completion(
            browser,
            name,
            runtime,
            native.tokenizer_of(compiled),
            turn,
            native.count_steps(runtime, compiled, turn),
        )
    return samples
