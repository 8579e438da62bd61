"""Giving values a place: columns of slots, which are used again once nothing reads them any more.

A step that may write over what it reads does so if that is its last use. What lives at the same
time never shares a slot, but for values that were joined to be columns of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from extbuild.compile.lower.fuse import Graph
from extbuild.compile.lower.steps import Region, Step
from extbuild.compile.program import Activation, Op, Operand, Rows, Slot

IN_PLACE = frozenset({Op.NORM, Op.ROPE, Op.ADD, Op.ACTIVATE, Op.GLU, Op.LINEAR})


@dataclass(slots=True)
class _Buffer:
    """Something that needs a slot from step ``first`` to step ``last``."""

    rows: Rows
    width: int
    first: int
    last: int
    slot: int = -1


@dataclass(slots=True)
class Placement:
    """Where each value lies: its slot and first column. The result has a slot of its own."""

    slots: list[Slot] = field(default_factory=list)
    at: dict[int, Operand] = field(default_factory=dict)

    def operand(self, region: Region | None) -> Operand:
        """Where a region lies."""
        if region is None:
            return Operand()
        place = self.at[region.value]
        return Operand(place.slot, place.column + region.column)


def place(graph: Graph) -> Placement:
    """Slots for all values; inserts copies where a rotation would overwrite what is read later."""
    _copy_before_rotations(graph)
    buffers: list[_Buffer] = []
    at: dict[int, tuple[int, int]] = {}
    for index, step in enumerate(graph.steps):
        for region in step.reads():
            buffers[at[region.value][0]].last = index
        found = _written_over(graph, index, step, at, buffers)
        if found is None:
            made = graph.made[step.out]
            buffers.append(_Buffer(made.rows, made.width, index, index))
            found = (len(buffers) - 1, 0)
        at[step.out] = found
        buffers[found[0]].last = index
    output = at[graph.output][0]
    buffers[output].last = len(graph.steps)
    slots = _share(buffers, output)
    placed = {
        value: Operand(buffers[buffer].slot, column) for value, (buffer, column) in at.items()
    }
    return Placement(slots, placed)


def _copy_before_rotations(graph: Graph) -> None:
    """ROPE works in place, so its operand must not be read again."""
    index = 0
    while index < len(graph.steps):
        step = graph.steps[index]
        if step.op is Op.ROPE and step.a is not None and _read_later(graph, index, step.a):
            region = step.a
            graph.made.append(type(graph.made[0])(graph.made[step.out].rows, region.width))
            copy = len(graph.made) - 1
            words = (int(Activation.NONE), region.width)
            graph.steps.insert(
                index, Step(Op.ACTIVATE, copy, a=region, p=words, nodes=set(step.nodes))
            )
            step.a = Region(copy, 0, region.width)
            index += 1
        index += 1


def _read_later(graph: Graph, index: int, region: Region) -> bool:
    if region.value == graph.output:
        return True
    return any(
        other.value == region.value
        and other.column < region.column + region.width
        and region.column < other.column + other.width
        for step in graph.steps[index + 1 :]
        for other in step.reads()
    )


def _written_over(
    graph: Graph,
    index: int,
    step: Step,
    at: dict[int, tuple[int, int]],
    buffers: Sequence[_Buffer],
) -> tuple[int, int] | None:
    """The buffer and column of an operand that the step may replace by its result."""
    if step.op not in IN_PLACE:
        return None
    may = (step.b,) if step.op is Op.LINEAR else (step.a, step.b)
    width = graph.made[step.out].width
    for region in may:
        if region is None or region.width != width or _read_later(graph, index, region):
            continue
        buffer, column = at[region.value]
        column += region.column
        whole = column == 0 and buffers[buffer].width == width
        if step.out == graph.output and not whole:
            continue
        if step.op is Op.LINEAR and step.a is not None and at[step.a.value][0] == buffer:
            continue
        return buffer, column
    return None


def _share(buffers: Sequence[_Buffer], output: int) -> list[Slot]:
    """Assign slots in order of time, each to the free slot that fits best."""
    widths: list[int] = []
    kinds: list[Rows] = []
    busy_until: list[int] = []
    for index, buffer in enumerate(buffers):
        free = [
            slot
            for slot, until in enumerate(busy_until)
            if until < buffer.first and kinds[slot] == buffer.rows
        ]
        wide = [slot for slot in free if widths[slot] >= buffer.width]
        if index == output or not free:
            widths.append(buffer.width)
            kinds.append(buffer.rows)
            busy_until.append(0)
            buffer.slot = len(widths) - 1
        elif wide:
            buffer.slot = min(wide, key=lambda slot: (widths[slot], slot))
        else:
            buffer.slot = max(free, key=lambda slot: (widths[slot], -slot))
            widths[buffer.slot] = buffer.width
        busy_until[buffer.slot] = buffer.last
    return [Slot(kind, width) for kind, width in zip(kinds, widths, strict=True)]
