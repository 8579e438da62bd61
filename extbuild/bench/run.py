"""``inv bench``: the built packages in both browsers, beside native ONNX Runtime, in one run."""

import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from extbuild.bench import extension, native
from extbuild.bench.packed import Packed, read_packed
from extbuild.bench.rows import Row, as_json, ratios_of
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
    console.print("native ONNX Runtime …")
    rows = _native(packed)
    for target, archive in archives.items():
        console.print(f"{target} …")
        with start(target, find_programs(target, ThisMachine(run)), [archive]) as browser:
            rows += _browser(browser, archive, packed)
    ratios = ratios_of(rows, GOALS)
    console.print(bench_table(rows, ratios))
    text = json.dumps(as_json(rows, ratios), indent=1)
    write_atomic(out.absolute(), f"{text}\n".encode())
    return 1 if any(ratio.passed is False for ratio in ratios) else 0


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


def _native(packed: Packed) -> list[Row]:
    moderation, completion = packed.moderation, packed.completion
    rows = native.measure_moderation(*moderation) if moderation else []
    return rows + (native.measure_completion(*completion) if completion else [])


def _browser(browser: Browser, archive: Path, packed: Packed) -> list[Row]:
    driver = browser.driver
    driver.set_script_timeout(SCRIPT_DEADLINE_S)
    driver.get(browser.url(SILENT_PAGE))
    name = f"{browser.target} {_major_version(driver.capabilities)}"
    size = archive.stat().st_size
    rows = [Row("package", "extension", "archive", "size", "bytes", size, 1, None, name)]
    if packed.moderation:
        _, compiled = packed.moderation
        rows += extension.measure_moderation(browser, name, native.tokenizer_of(compiled))
    if packed.completion:
        runtime, compiled = packed.completion
        tokenizer, steps = native.tokenizer_of(compiled), native.count_steps(runtime, compiled)
        rows += extension.measure_completion(browser, name, runtime, tokenizer, steps)
    return rows
