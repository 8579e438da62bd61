"""The part ``extension``: the built packages in both browsers, beside native ONNX Runtime.

The same extension built without the engine is asked for its cold start only.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from extbuild.artifacts import TargetName
from extbuild.bench import extension, native
from extbuild.bench.compare import Found, Say
from extbuild.bench.goals import EXTENSION, EXTENSION_ORT
from extbuild.bench.measure import SCRIPT_DEADLINE_S, browser_name
from extbuild.bench.packed import Packed, read_packed
from extbuild.bench.rows import Sample
from extbuild.browsers import Browser, Programs, start
from extbuild.browsers.engine import SILENT_PAGE
from extbuild.errors import PackageError


def measure_packages(
    dist: Path,
    without_engine: Path,
    programs: Mapping[TargetName, Programs],
    rounds: int,
    say: Say,
) -> Found:
    """``dist`` and ``without_engine`` hold a folder with an archive for each target."""
    archives = {target: archive_in(dist / target) for target in programs}
    packed = read_packed(dist / next(iter(archives)) / "unpacked")
    reference = read_packed(without_engine / next(iter(archives)) / "unpacked")
    samples = list[Sample]()
    with ExitStack() as stack:
        browsers, slower = dict[str, Browser](), dict[str, Browser]()
        for target, archive in archives.items():
            browser = _started(stack, target, programs[target], archive)
            name = browser_name(browser)
            browsers[name] = browser
            samples.append(_size(archive, EXTENSION, name))
            other = archive_in(without_engine / target)
            slower[name] = _started(stack, target, programs[target], other)
            samples.append(_size(other, EXTENSION_ORT, name))
        for turn in range(rounds):
            say(f"round {turn + 1} of {rounds}: native")
            samples += _native(reference, turn)
            for name, browser in browsers.items():
                say(f"round {turn + 1} of {rounds}: extension, {name}")
                samples += _browser(browser, name, packed, turn)
                if packed.moderation:
                    tokenizer = native.tokenizer_of(packed.moderation[1])
                    samples += extension.measure_cold(
                        slower[name], name, tokenizer, turn, EXTENSION_ORT
                    )
    return Found(tuple(samples))


def archive_in(directory: Path) -> Path:
    """The one archive of a target's folder."""
    found = [file for file in directory.glob("*") if file.suffix in (".zip", ".xpi")]
    if len(found) != 1:
        raise PackageError(
            str(directory),
            "must hold one archive to measure",
            found=", ".join(file.name for file in found) or "none",
            do="build first: ./inv build",
        )
    return found[0]


def _started(stack: ExitStack, target: TargetName, programs: Programs, archive: Path) -> Browser:
    browser = stack.enter_context(start(target, programs, [archive]))
    browser.driver.set_script_timeout(SCRIPT_DEADLINE_S)
    browser.driver.get(browser.url(SILENT_PAGE))
    return browser


def _size(archive: Path, peer: str, browser: str) -> Sample:
    size = float(archive.stat().st_size)
    return Sample("package", peer, "archive", "size", (size,), browser, "bytes", None)


def _native(reference: Packed, turn: int) -> list[Sample]:
    moderation, completion = reference.moderation, reference.completion
    samples = native.measure_moderation(*moderation, turn) if moderation else []
    return samples + (native.measure_completion(*completion, turn) if completion else [])


def _browser(browser: Browser, name: str, packed: Packed, turn: int) -> list[Sample]:
    samples = list[Sample]()
    if packed.moderation:
        _, compiled = packed.moderation
        tokenizer = native.tokenizer_of(compiled)
        samples += extension.measure_cold(browser, name, tokenizer, turn, EXTENSION)
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
