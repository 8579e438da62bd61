"""Line charts for the benchmark's page, as inline SVG in the style of the report's charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log2

_WIDTH, _HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 40


@dataclass(frozen=True, slots=True)
class Line:
    """Points in order of x. ``style`` is a CSS class that gives the colour."""

    label: str
    points: Sequence[tuple[float, float]]
    style: str


def lines(drawn: Sequence[Line], title: str, x_label: str, y_label: str) -> str:
    """Lines on logarithmic axes of base 2, on which proportional cost is a straight line."""
    points = [point for line in drawn for point in line.points]
    across = _Axis.over([x for x, _ in points], _LEFT, _WIDTH - _RIGHT)
    up = _Axis.over([y for _, y in points], _HEIGHT - _BOTTOM, _TOP)
    parts = []
    for exponent in up.ticks():
        y = up.at(2.0**exponent)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"/>'
            f'<text class="tick end" x="{_LEFT - 8}" y="{y + 4:.1f}">{_plain(2.0**exponent)}</text>'
        )
    for value in sorted({x for x, _ in points}):
        parts.append(
            f'<text class="tick middle" x="{across.at(value):.1f}" y="{_HEIGHT - _BOTTOM + 18}">'
            f"{_plain(value)}</text>"
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<text class="tick middle" x="{middle}" y="{_HEIGHT - 4}">{escape(x_label)}</text>'
    )
    for line in drawn:
        placed = [(across.at(x), up.at(y), x, y) for x, y in line.points]
        joined = " ".join(f"{left:.1f},{top:.1f}" for left, top, _, _ in placed)
        parts.append(f'<polyline class="line {line.style}" points="{joined}"/>')
        for left, top, x, y in placed:
            parts.append(
                f'<circle class="{line.style}" cx="{left:.1f}" cy="{top:.1f}" r="4"><title>'
                f"{escape(line.label)}: {_plain(x)} {escape(x_label)}, {_plain(y)} "
                f"{escape(y_label)}</title></circle>"
            )
    key = "".join(
        f'<li><span class="swatch {line.style}"></span>{escape(line.label)}</li>' for line in drawn
    )
    return (
        f'<figure><figcaption>{escape(title)}<span class="aside"> {escape(y_label)}</span>'
        f'</figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
        f'<ul class="legend">{key}</ul></figure>'
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps values to ``start … end`` by their logarithms."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> "_Axis":
        low, high = log2(min(values)), log2(max(values))
        margin = (high - low) * 0.06 or 0.5
        return cls(low - margin, high + margin, start, end)

    def at(self, value: float) -> float:
        share = (log2(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[int]:
        """Powers of two inside, not more than a handful."""
        inside = range(ceil(self.low), floor(self.high) + 1)
        step = max(1, ceil(len(inside) / 6))
        return list(inside)[::step]


def _plain(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
