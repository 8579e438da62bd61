"""How much memory a model takes in a browser while it is loaded and used, beside what it weighs.

Each peer gets a browser of its own, so that nothing of an earlier one is left in its processes. A
worker that holds a tiny floor is opened before, so that the page's own growth is not counted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from extbuild.bench.compare import Found, Say, Workload
from extbuild.bench.forms import Subject, engine_files
from extbuild.bench.goals import ARENA, BUFFER, PEAK, WEIGHTS
from extbuild.bench.in_browser import BenchPage, Opening, PeerError, PeerLimits
from extbuild.bench.memory import descendants, is_supported, most_growth, reset_peaks
from extbuild.bench.peers import BrowserPeer, limits_of
from extbuild.bench.rows import Missing, Sample
from extbuild.engine.host import EngineModel, RunLimits

# As in extension_src/src/worker/backends/engine_wasm.ts.
DECODER_TOKENS = 64
OpenPage = Callable[[], AbstractContextManager[tuple[BenchPage, int]]]
"""A page in a fresh browser, and the process id of the browser's WebDriver program."""

_NOTHING = Opening("javascript", "completion", "", 1000, PeerLimits(), matrices=[(8, 8)])


def footprints(
    subject: Subject,
    peers: Sequence[BrowserPeer],
    browsers: Mapping[str, OpenPage],
    workload: Workload,
    say: Say,
) -> Found:
    """The peak of each peer in each browser."""
    found = Found()
    for browser, open_page in browsers.items():
        for peer in peers:
            say(f"memory: {peer.name}, {browser}")
            found += _footprint(subject, peer, browser, open_page, workload)
    return found


def _footprint(
    subject: Subject, peer: BrowserPeer, browser: str, open_page: OpenPage, workload: Workload
) -> Found:
    def lost(reason: str) -> Found:
        return Found((), (Missing(subject.name, peer.name, browser, f"memory: {reason}"),))

    if not is_supported():
        return lost("only Linux tells the peak of a process")
    opening = peer.opening()
    with open_page() as (page, pid):
        try:
            page.open(_NOTHING)
            before = reset_peaks(descendants(pid))
            model = page.open(opening)
            model.generate(
                1,
                prompt_tokens=workload.prompt_tokens,
                steps=workload.steps,
                max_ms=workload.max_ms,
            )
            growth = most_growth(before, descendants(pid))
            told = model.memory()
        except PeerError as error:
            return lost(str(error))
    values = {PEAK: float(growth), **({BUFFER: told["buffer"]} if "buffer" in told else {})}
    return Found(
        tuple(
            Sample(
                subject.name,
                peer.name,
                workload.prompt,
                metric,
                (value,),
                browser,
                unit="bytes",
            )
            for metric, value in values.items()
        )
    )


def engine_sizes(
    subject: Subject, peer: str, folder: Path, module: bytes, browsers: Sequence[str], shape: str
) -> Iterator[Sample]:
    """Bytes of the engine's weights, and of its arena and cache, with the extension's limits."""
    program, weights = engine_files(folder)
    limits = RunLimits(
        max_tokens=DECODER_TOKENS,
        max_sequences=1,
        max_outputs=1,
        streams=1,
        cache_tokens=limits_of(subject).cache_tokens,
    )
    model = EngineModel(module, program, weights, limits)
    arena = float(model.arena_bytes + model.cache_bytes)
    for browser in browsers:
        for metric, value in ((WEIGHTS, float(len(weights))), (ARENA, arena)):
            yield Sample(subject.name, peer, shape, metric, (value,), browser, unit="bytes")
