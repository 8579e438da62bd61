"""The goals of the engine: its figures against its peers', on one thread, in each browser.

All but the last say how many times better the engine is, so more is better. The last one says how
many times its weights a browser's process grows at its peak, arena and key/value cache left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from extbuild.bench.random_models import MINILM_L6, SMOLLM2_135M
from extbuild.bench.rows import Ratio, Row

DECODE, PREFILL, ENCODE = "decode", "prefill", "encode"
FIRST_VERDICT = "first verdict, cold start"
PEAK, WEIGHTS, ARENA = "peak memory", "weights", "arena and cache"
BUFFER = "WASM memory"
ENGINE_DECODER, ENGINE_ENCODER = "engine int4", "engine int8"
ORT_WEB = "onnxruntime-web"
NATIVE_INT4 = "onnxruntime int4"
EXTENSION, EXTENSION_ORT = "extension", "extension on onnxruntime-web"
# Peers that stand for no product: they show what there is without one.
FLOORS = ("JavaScript int8", "scalar WASM int8")


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of one thread by what was measured."""

    rows: Sequence[Row]

    def of(self, subject: str, metric: str, peer: str, browser: str) -> Row | None:
        """The row of one peer, in one browser; native peers have the browser ``""``."""
        return next(iter(self.all(subject, metric, browser, [peer])), None)

    def all(self, subject: str, metric: str, browser: str, peers: Iterable[str]) -> list[Row]:
        """The rows of several peers."""
        wanted = set(peers)
        return [
            row
            for row in self.rows
            if (row.subject, row.metric, row.browser_name) == (subject, metric, browser)
            and row.peer in wanted
            and row.threads in (1, None)
        ]


def engine_ratios(rows: Sequence[Row], browsers: Sequence[str]) -> tuple[Ratio, ...]:
    """The table of goals, as far as its rows were measured. ``browsers`` are names."""
    figures = Figures(rows)
    return tuple(ratio for browser in browsers for ratio in _of_browser(figures, browser))


def _of_browser(figures: Figures, browser: str) -> Iterator[Ratio]:
    decoder, encoder = SMOLLM2_135M.name, MINILM_L6.name
    peers = {row.peer for row in figures.rows if row.browser_name == browser}
    rivals = {peer for peer in peers if not peer.startswith("engine") and peer not in FLOORS}
    ort = {peer for peer in rivals if peer.startswith(ORT_WEB)}
    decode = figures.of(decoder, DECODE, ENGINE_DECODER, browser)
    best = _most(figures.all(decoder, DECODE, browser, rivals))
    yield from _times(f"{browser}: decode, engine / best peer in the browser", decode, best, 4.0)
    native = figures.of(decoder, DECODE, NATIVE_INT4, "")
    yield from _times(f"{browser}: decode, engine / native {NATIVE_INT4}", decode, native, 1.0)
    prefill = figures.of(decoder, PREFILL, ENGINE_DECODER, browser)
    int8 = figures.of(decoder, PREFILL, f"{ORT_WEB} int8", browser)
    yield from _times(f"{browser}: prefill of 64, engine / {ORT_WEB} int8", prefill, int8, 2.0)
    encode = figures.of(encoder, ENCODE, ENGINE_ENCODER, browser)
    best = _most(figures.all(encoder, ENCODE, browser, ort))
    yield from _times(f"{browser}: encoder, engine / best {ORT_WEB}", encode, best, 2.0)
    cold = figures.of("moderation", FIRST_VERDICT, EXTENSION, browser)
    cold_ort = figures.of("moderation", FIRST_VERDICT, EXTENSION_ORT, browser)
    yield from _times(f"{browser}: cold start, {ORT_WEB} / engine", cold_ort, cold, 2.5)
    yield from _memory(figures, decoder, browser)


def _most(rows: Sequence[Row]) -> Row | None:
    return max(rows, key=lambda row: row.median, default=None)


def _times(name: str, above: Row | None, below: Row | None, goal: float) -> Iterator[Ratio]:
    if above is not None and below is not None:
        yield Ratio(name, above.median / below.median, goal, "higher")


def _memory(figures: Figures, subject: str, browser: str) -> Iterator[Ratio]:
    peak, buffer, weights, arena = (
        figures.of(subject, metric, ENGINE_DECODER, browser)
        for metric in (PEAK, BUFFER, WEIGHTS, ARENA)
    )
    if not weights or not arena:
        return
    if peak:
        value = (peak.median - arena.median) / weights.median
        yield Ratio(f"{browser}: peak memory less arena / weights", value, 1.15)
    if buffer:
        value = buffer.median / (weights.median + arena.median)
        yield Ratio(f"{browser}: WASM memory / (weights + arena)", value, None)
