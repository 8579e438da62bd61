"""``dist/bench.html``: the benchmark as one page without outside resources, for people."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from importlib.resources import files

from extbuild.bench.charts import Line, lines
from extbuild.bench.goals import DECODE, ENCODE, PEAK, PREFILL, WEIGHTS
from extbuild.bench.random_models import MINILM_L6, SMOLLM2_135M, SWEEP
from extbuild.bench.rows import Missing, Ratio, Row
from extbuild.files import human_bytes
from extbuild.report.charts import Row as Bar
from extbuild.report.charts import bars

_STYLES = ("a", "b", "c", "d", "e")
_NATIVE = "native"
_LABELS = 250  # units of a bar chart's width for names of peers with their browsers


def bench_html(
    rows: Sequence[Row], ratios: Sequence[Ratio], missing: Sequence[Missing], machine: str
) -> str:
    """The page's text. ``machine`` says on what it was measured."""
    style = files("extbuild.report").joinpath("style.css").read_text(encoding="utf-8")
    own = files("extbuild.bench").joinpath("bench.css").read_text(encoding="utf-8")
    body = "".join(
        [
            f'<header><h1>Benchmark</h1><span class="version">{escape(machine)}</span></header>',
            _goals(ratios),
            *_peers(rows),
            _memory(rows),
            _sweeps(rows),
            _missing(missing),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Benchmark</title>\n<style>\n{style}{own}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def _goals(ratios: Sequence[Ratio]) -> str:
    wanted = [ratio for ratio in ratios if ratio.goal is not None]
    if not wanted:
        return ""
    body = "".join(
        f'<tr><td>{escape(ratio.name)}</td><td class="number">{ratio.value:.2f}</td>'
        f'<td class="number">{"≥" if ratio.better == "higher" else "≤"} {ratio.goal:g}</td>'
        f'<td><span class="{"pass" if ratio.passed else "fail"}">'
        f"{'passes' if ratio.passed else 'fails'}</span></td></tr>"
        for ratio in wanted
    )
    head = '<tr><th></th><th class="number">value</th><th class="number">goal</th><th></th></tr>'
    return _section("Goals", "one thread", f"<table>{head}{body}</table>")


def _peers(rows: Sequence[Row]) -> Iterator[str]:
    """One section for each model and metric that several peers were measured on."""
    for subject in dict.fromkeys(row.subject for row in rows):
        for metric in (DECODE, PREFILL, ENCODE):
            found = [row for row in rows if (row.subject, row.metric) == (subject, metric)]
            shapes = list(dict.fromkeys(row.shape for row in found))
            for shape in shapes:
                shown = [row for row in found if row.shape == shape and row.threads == 1]
                if len({row.peer for row in shown}) > 2:
                    yield _bars(f"{subject}: {metric}, {shape}", shown)


def _bars(title: str, rows: Sequence[Row]) -> str:
    places = list(dict.fromkeys(row.browser or _NATIVE for row in rows))
    ordered = sorted(rows, key=lambda row: -row.median)
    drawn = [
        Bar(
            label=f"{row.peer}, {row.browser_name or _NATIVE}",
            value=row.median,
            text=f"{row.median:.1f}",
            style=_STYLES[places.index(row.browser or _NATIVE)],
        )
        for row in ordered
    ]
    key = "".join(
        f'<li><span class="swatch {_STYLES[index]}"></span>{escape(place)}</li>'
        for index, place in enumerate(places)
    )
    unit = rows[0].unit
    aside = f"{unit}, median of interleaved runs, one thread"
    return _section(
        title, aside, f'<ul class="legend">{key}</ul>{bars(drawn, title, label_width=_LABELS)}'
    )


def _memory(rows: Sequence[Row]) -> str:
    peaks = [row for row in rows if row.metric == PEAK]
    if not peaks:
        return ""
    weights = next((row.median for row in rows if row.metric == WEIGHTS), 0.0)
    drawn = [
        Bar(
            label=f"{row.peer}, {row.browser_name}",
            value=row.median,
            text=human_bytes(row.median),
            style="a" if row.peer.startswith("engine") else "e",
            ghost=weights if row.peer.startswith("engine") else None,
        )
        for row in sorted(peaks, key=lambda row: row.median)
    ]
    note = '<p class="note">Behind the engine\'s bars: what its weights weigh.</p>'
    title = f"{peaks[0].subject}: peak memory"
    return _section(
        title, "growth of the browser's process", bars(drawn, title, label_width=_LABELS) + note
    )


def _sweeps(rows: Sequence[Row]) -> str:
    figures = [
        _sweep(rows, "Cost of threads", "threads", _by_threads),
        _sweep(rows, "Cost of a batch", "texts per run", _by_batch),
        _sweep(rows, "Cost of length", "tokens per text", _by_length),
        _sweep(rows, "Cost of size", "million parameters", _by_size),
    ]
    drawn = "".join(figure for figure in figures if figure)
    if not drawn:
        return ""
    return _section("How cost grows", "both axes logarithmic", f'<div class="plots">{drawn}</div>')


Place = Callable[[Row], tuple[str, float, float] | None]
"""A row's line, x and y in a plot; None where it has no place there."""


def _sweep(rows: Sequence[Row], title: str, x_label: str, place: Place) -> str:
    series: dict[str, dict[float, float]] = {}
    for row in rows:
        if (at := place(row)) is not None:
            label, x, y = at
            series.setdefault(label, {})[x] = y
    kept = [(label, sorted(points.items())) for label, points in series.items() if len(points) > 1]
    drawn = [
        Line(label, points, _STYLES[index % len(_STYLES)])
        for index, (label, points) in enumerate(kept)
    ]
    unit = "ms per token or text"
    return lines(drawn, title, x_label, unit) if drawn else ""


def _by_threads(row: Row) -> tuple[str, float, float] | None:
    compared = {(SMOLLM2_135M.name, DECODE), (SMOLLM2_135M.name, PREFILL), (MINILM_L6.name, ENCODE)}
    wanted = (row.subject, row.metric) in compared and row.shape.endswith("64 tokens")
    if not wanted or row.browser_name != "chrome" or not row.peer.startswith("engine"):
        return None
    if row.metric == ENCODE and not row.shape.startswith("32 "):
        return None
    return f"{row.metric}, {row.peer}", float(row.threads or 1), 1000 / row.median


def _by_batch(row: Row) -> tuple[str, float, float] | None:
    texts, tokens = _batch(row)
    if tokens != 64 or row.threads != 1:
        return None
    return f"{row.peer}, {row.browser_name}", texts, 1000 / row.median


def _by_length(row: Row) -> tuple[str, float, float] | None:
    texts, tokens = _batch(row)
    if texts != 8 or row.threads != 1:
        return None
    return f"{row.peer}, {row.browser_name}", tokens, 1000 / row.median


def _batch(row: Row) -> tuple[float, float]:
    """Texts and tokens per text of an encoder's row, from its shape."""
    words = row.shape.split()
    fits = row.metric == ENCODE and row.subject == MINILM_L6.name and len(words) == 4
    swept = row.peer in ("engine int8", "onnxruntime-web int8")
    return (float(words[0]), float(words[2])) if fits and swept else (0.0, 0.0)


def _by_size(row: Row) -> tuple[str, float, float] | None:
    params = {sizes.name: sizes.params / 1e6 for sizes in SWEEP}
    if row.subject not in params or row.peer != "engine int4" or row.threads != 1:
        return None
    if row.metric not in (DECODE, PREFILL):
        return None
    return f"{row.metric}, {row.browser_name}", round(params[row.subject]), 1000 / row.median


def _missing(missing: Sequence[Missing]) -> str:
    if not missing:
        return ""
    body = "".join(
        f"<tr><td>{escape(one.subject)}</td><td>{escape(one.peer)}</td>"
        f"<td>{escape(one.browser or _NATIVE)}</td><td>{escape(one.reason)}</td></tr>"
        for one in missing
    )
    return _section("Not measured", "and why", f"<table>{body}</table>")


def _section(title: str, aside: str, body: str) -> str:
    return (
        f'<section><div class="title"><h2>{escape(title)}</h2>'
        f'<span class="aside">{escape(aside)}</span></div>{body}</section>'
    )
