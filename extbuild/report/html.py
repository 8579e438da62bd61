"""``dist/report.html``: one page without outside resources, for people."""

from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files

from extbuild.artifacts import PassReport, QualityMetric
from extbuild.files import human_bytes
from extbuild.progress import StageTime
from extbuild.report.charts import Piece, Row, bars, dumbbell, legend, stacked_bar
from extbuild.report.record import BuildReport, ModelReport, PackageReport

_NONE = "&ndash;"
_BROWSERS = {"chrome": "Chrome", "firefox": "Firefox"}
_PARTS = {
    "moderation": ("moderation model", "a"),
    "completion": ("completion model", "b"),
    "engine": ("engine", "f"),
    "onnxruntime-web": ("ONNX Runtime Web", "c"),
    "scripts": ("scripts", "d"),
    "pages": ("pages, icons, licences", "e"),
    "archive": ("archive format", "e"),
}


def report_html(report: BuildReport) -> str:
    """The page's text."""
    style = files("extbuild.report").joinpath("style.css").read_text(encoding="utf-8")
    body = "".join(
        [
            _header(report),
            _tiles(report),
            _packages(report.packages),
            *(_model(model) for model in report.models),
            _permissions(report.packages),
            _stages(report.stages),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.name)} {escape(report.version)}: build report</title>\n"
        f"<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _header(report: BuildReport) -> str:
    tools = ", ".join(f"{version}" for version in report.tools.values())
    return (
        f'<header><h1>{escape(report.name)}</h1><span class="version">version '
        f"{escape(report.version)}, build report ({escape(tools)})</span></header>"
    )


def _tiles(report: BuildReport) -> str:
    tiles = [
        (human_bytes(package.bytes), f"{_BROWSERS[package.target]} package")
        for package in report.packages
    ]
    source = sum(model.source_bytes for model in report.models)
    packed = sum(model.packed_bytes for model in report.models)
    if packed:
        tiles.append((f"{source / packed:.1f} to 1", "models, from source to package"))
    seconds = sum(stage.seconds for stage in report.stages)
    cached = sum(stage.cached for stage in report.stages)
    tiles.append((f"{seconds:.1f} s", f"build, {cached} of {len(report.stages)} stages cached"))
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><b>{escape(value)}</b><span>{escape(label)}</span></div>'
            for value, label in tiles
        )
        + "</div>"
    )


def _packages(packages: tuple[PackageReport, ...]) -> str:
    whole = max(package.bytes for package in packages)
    blocks = []
    for package in packages:
        pieces = [Piece(*_named(part, size)) for part, size in _ordered(package.parts)]
        name = _BROWSERS[package.target]
        blocks.append(
            f"<h3>{name}, {human_bytes(package.bytes)}</h3>"
            + stacked_bar(pieces, f"What the package for {name} holds", whole)
            + legend(pieces)
            + f'<p class="note"><code>{escape(package.file)}</code><br>'
            f"<code>SHA-256 {package.sha256}</code></p>"
        )
    return _section("Packages", "compressed bytes by content", "".join(blocks))


def _named(part: str, size: int) -> tuple[str, float, str, str]:
    label, style = _PARTS.get(part, (part, "e"))
    return label, float(size), human_bytes(size), style


def _ordered(parts: Mapping[str, int]) -> list[tuple[str, int]]:
    order = list(_PARTS)
    return sorted(parts.items(), key=lambda part: order.index(part[0]) if part[0] in order else 99)


def _model(model: ModelReport) -> str:
    share = min(model.packed_bytes / model.budget_bytes, 1.0) * 100
    aside = (
        f"{model.params / 1e6:.2f} million parameters, {human_bytes(model.source_bytes)} → "
        f"{human_bytes(model.packed_bytes)} in {len(model.shards)} "
        f"{'shard' if len(model.shards) == 1 else 'shards'}"
    )
    return _section(
        f"Model: {model.name}",
        aside,
        f'<div class="meter"><i style="width: {share:.1f}%"></i></div>'
        f'<p class="note">{share:.0f} % of the budget of {human_bytes(model.budget_bytes)}</p>'
        + "<h3>Weights after each pass</h3>"
        + _passes(model.passes)
        + "<h3>What runs it</h3>"
        + _backend(model)
        + "<h3>Quality before and after compression</h3>"
        + _quality(model.quality),
    )


def _backend(model: ModelReport) -> str:
    """The backend, its Program, and how near it comes to the reference."""
    if model.not_lowered is not None:
        why = f": {escape(model.not_lowered)}"
        return f'<p class="fail">ONNX Runtime Web, not the engine{why}</p>'
    arena = (
        "" if model.arena_bytes is None else f", {human_bytes(model.arena_bytes)} of activations"
    )
    errors = "".join(
        f"<tr><td><code>{escape(variant)}</code></td>"
        f'<td class="number">{error:.2g}</td>'
        f'<td class="number">{model.golden_tolerance:g}</td></tr>'
        for variant, error in model.golden_max_error.items()
    )
    return (
        f'<p class="note">The engine: {model.operations} operations, '
        f"{human_bytes(model.parts['program'])}{arena}. Compared with native ONNX Runtime on "
        f"{model.golden_cases} golden inputs; differences in units of the logits' spread:</p>"
        '<table><tr><th>variant</th><th class="number">largest difference</th>'
        f'<th class="number">tolerance</th></tr>{errors}</table>'
    )


def _passes(passes: tuple[PassReport, ...]) -> str:
    if not passes:
        return '<p class="note">The recipe has no passes: the model ships as it came.</p>'
    rows = [
        Row(
            label=report.name,
            value=float(report.weight_bytes_after),
            text=f"{human_bytes(report.weight_bytes_after)}",
            style="a",
            ghost=float(report.weight_bytes_before),
        )
        for report in passes
    ]
    notes = "".join(
        f"<tr><td><code>{escape(report.name)}</code></td>"
        f'<td class="number">{report.changed}</td>'
        f'<td class="number">{report.nodes_before} → {report.nodes_after}</td>'
        f'<td class="number">{_error(report.max_abs_error)}</td>'
        f'<td class="number">{report.seconds:.2f} s</td>'
        f"<td>{escape('; '.join(report.notes))}</td></tr>"
        for report in passes
    )
    return (
        bars(rows, "Weight bytes after each pass, with the bytes before it behind")
        + '<p class="note">Behind each bar: the bytes before the pass.</p>'
        + '<table><tr><th>pass</th><th class="number">changed</th><th class="number">nodes</th>'
        '<th class="number">largest weight error</th><th class="number">time</th><th></th></tr>'
        + notes
        + "</table>"
    )


def _error(error: float | None) -> str:
    return _NONE if error is None else f"{error:.2g}"


def _quality(metrics: Mapping[str, QualityMetric]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}</td>"
        f'<td class="number">{metric.before:.4f}</td><td class="number">{metric.after:.4f}</td>'
        f'<td class="number">{metric.after - metric.before:+.4f}</td>'
        f'<td class="number">{_NONE if metric.gate is None else f"{metric.gate:.4f}"}</td>'
        f'<td class="chart">{_against_gate(name, metric)}</td>'
        f"<td>{_verdict(metric)}</td></tr>"
        for name, metric in metrics.items()
    )
    return (
        '<table><tr><th>metric</th><th class="number">before</th><th class="number">after</th>'
        '<th class="number">change</th><th class="number">gate</th>'
        '<th class="chart">○ before ● after ▌ gate</th><th></th></tr>'
        f"{rows}</table>"
    )


def _against_gate(name: str, metric: QualityMetric) -> str:
    """The metric's chart. Without a gate there is no scale on which a change is large or small."""
    if metric.gate is None:
        return ""
    return dumbbell(metric.before, metric.after, metric.gate, metric.passed, name)


def _verdict(metric: QualityMetric) -> str:
    if metric.gate is None:
        return '<span class="aside">no gate</span>'
    return f'<span class="{"pass" if metric.passed else "fail"}">' + (
        "passes</span>" if metric.passed else "fails</span>"
    )


def _permissions(packages: tuple[PackageReport, ...]) -> str:
    users: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for package in packages:
        for permission, reason in package.permissions.items():
            users.setdefault(permission, []).append(_BROWSERS[package.target])
            reasons[permission] = reason
    rows = "".join(
        f"<tr><td><code>{escape(permission)}</code></td><td>{', '.join(users[permission])}</td>"
        f"<td>{escape(reason)}</td></tr>"
        for permission, reason in reasons.items()
    )
    return _section(
        "Permissions",
        "all of them, each with its reason",
        f"<table><tr><th>permission</th><th>asked in</th><th>why</th></tr>{rows}</table>",
    )


def _stages(stages: Iterable[StageTime]) -> str:
    rows, start = [], 0.0
    for stage in stages:
        rows.append(
            Row(
                label=stage.name,
                value=stage.seconds,
                text="cached" if stage.cached else f"{stage.seconds:.2f} s",
                style="e" if stage.cached else "b",
                start=start,
            )
        )
        start += stage.seconds
    return _section("Stages", "one after another", "<br>" + bars(rows, "Time of each stage"))


def _section(title: str, aside: str, body: str) -> str:
    return (
        f'<section><div class="title"><h2>{escape(title)}</h2>'
        f'<span class="aside">{escape(aside)}</span></div>{body}</section>'
    )
