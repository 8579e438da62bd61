"""The report's charts as inline SVG. Colours are CSS classes, so that both themes share the code.

Wide charts are `WIDTH` units wide, as much as a card of the page has inside on a desktop, so that
their texts are as large as the others; on a narrower page the card scrolls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 980
_LABEL_WIDTH = 220
_VALUE_WIDTH = 90
_ROW = 28
_BAR = 14


@dataclass(frozen=True, slots=True)
class Piece:
    """A share of a stacked bar. `style` is a CSS class that gives its colour."""

    label: str
    value: float
    text: str
    style: str


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled bar from `start` to `start + value`; `ghost` is an earlier value shown behind."""

    label: str
    value: float
    text: str
    style: str
    start: float = 0.0
    ghost: float | None = None


def stacked_bar(pieces: Sequence[Piece], title: str, whole: float) -> str:
    """One bar whose length is the sum of `pieces` out of `whole`, the widest bar of its group."""
    x, parts = 0.0, []
    for piece in pieces:
        width = piece.value / whole * WIDTH
        # A hairline between neighbours, taken from the piece itself so that the sum stays true.
        drawn = max(width - 1.5, 0.75)
        parts.append(
            f'<rect class="{piece.style}" x="{x:.2f}" y="0" width="{drawn:.2f}" height="28" rx="3">'
            f"<title>{escape(piece.label)}: {escape(piece.text)}</title></rect>"
        )
        x += width
    return _svg(28, title, "".join(parts))


def legend(pieces: Sequence[Piece]) -> str:
    """The pieces of a stacked bar as a list, in the bar's order."""
    items = "".join(
        f'<li><span class="swatch {piece.style}"></span>{escape(piece.label)}'
        f" <b>{escape(piece.text)}</b></li>"
        for piece in pieces
    )
    return f'<ul class="legend">{items}</ul>'


def bars(rows: Sequence[Row], title: str, *, label_width: int = _LABEL_WIDTH) -> str:
    """Labelled bars on one scale that begins at 0."""
    whole = max([max(row.start + row.value, row.ghost or 0.0) for row in rows], default=0.0) or 1.0
    room = WIDTH - label_width - _VALUE_WIDTH
    parts = []
    for index, row in enumerate(rows):
        y = index * _ROW
        x = label_width + row.start / whole * room
        width = max(row.value / whole * room, 1.5)
        middle = y + _ROW / 2
        bar_y = middle - _BAR / 2
        if row.ghost is not None:
            ghost = row.ghost / whole * room
            parts.append(
                f'<rect class="ghost" x="{label_width}" y="{bar_y}" width="{ghost:.2f}" '
                f'height="{_BAR}" rx="3"/>'
            )
        parts.append(
            f'<text class="label" x="0" y="{middle + 4.5}">{escape(row.label)}</text>'
            f'<rect class="{row.style}" x="{x:.2f}" y="{bar_y}" width="{width:.2f}" '
            f'height="{_BAR}" rx="3"/>'
            f'<text class="value" x="{WIDTH}" y="{middle + 4.5}">{escape(row.text)}</text>'
        )
    return f'<div class="wide">{_svg(len(rows) * _ROW, title, "".join(parts))}</div>'


def dumbbell(before: float, after: float, gate: float, passed: bool, title: str) -> str:
    """A metric before (hollow) and after (filled), with the side beyond its gate tinted."""
    low, high = min(before, after, gate), max(before, after, gate)
    margin = (high - low) * 0.25 or abs(high) * 0.05 or 1.0
    low, high = low - margin, high + margin
    width, height, middle = 260, 26, 13

    def x(value: float) -> float:
        return (value - low) / (high - low) * (width - 16) + 8

    left, right = (0.0, x(gate)) if gate <= before else (x(gate), float(width))
    parts = [
        f'<line class="axis" x1="0" y1="{middle}" x2="{width}" y2="{middle}"/>',
        f'<rect class="forbidden" x="{left:.1f}" y="3" width="{right - left:.1f}" height="20"/>',
        f'<line class="gate" x1="{x(gate):.1f}" y1="1" x2="{x(gate):.1f}" y2="25"/>',
        f'<line class="link" x1="{x(before):.1f}" y1="{middle}" x2="{x(after):.1f}" '
        f'y2="{middle}"/>',
        f'<circle class="before" cx="{x(before):.1f}" cy="{middle}" r="5"/>',
        f'<circle class="{"after" if passed else "failed"}" cx="{x(after):.1f}" cy="{middle}" '
        'r="5"/>',
    ]
    return _svg(height, title, "".join(parts), width=width)


def _svg(height: float, title: str, body: str, *, width: int = WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height:g}" role="img" aria-label="{escape(title)}">'
        f"{body}</svg>"
    )
