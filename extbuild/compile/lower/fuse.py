"""Joining steps: what a kernel does on the way is no operation of its own.

1. A vector that is added, or a number that multiplies, goes into the weights before it.
2. An activation goes into the LINEAR before it, and so does a sum with something older.
3. LINEARs that read the same columns become one, rows of their matrices below each other, if the
   matrices have one form (matrices.signature). Their results become column ranges.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from extbuild.compile.lower.matrices import Matrix, scaled, signature, stack
from extbuild.compile.lower.steps import Extra, Region, Step, Steps
from extbuild.compile.program import Activation, Norm, Op

Rule = Callable[["Graph", Step, Step], bool]


class Graph:
    """Steps with the questions that rules ask."""

    def __init__(self, steps: Steps, output: int) -> None:
        self.made = steps.made
        self.steps = list(steps.steps)
        self.output = output
        self._drop_unused()

    def uses(self) -> Counter[int]:
        """How many operands read each value; the result counts as read."""
        counts = Counter(region.value for step in self.steps for region in step.reads())
        counts[self.output] += 1
        return counts

    def redirect(self, old: int, new: int, column: int = 0) -> None:
        """Let everything that reads ``old`` read columns of ``new`` from ``column`` on."""

        def moved(region: Region | None) -> Region | None:
            if region is None or region.value != old:
                return region
            return Region(new, region.column + column, region.width)

        for step in self.steps:
            step.a, step.b, step.c = moved(step.a), moved(step.b), moved(step.c)
        if self.output == old:
            self.output = new

    def _drop_unused(self) -> None:
        needed = {self.output}
        kept: list[Step] = []
        for step in reversed(self.steps):
            if step.out in needed:
                needed |= {region.value for region in step.reads()}
                kept.append(step)
        self.steps = kept[::-1]


def fuse(steps: Steps, output: int) -> Graph:
    """Apply all rules; what is left of BIAS and SCALE is for the caller to refuse."""
    graph = Graph(steps, output)
    for wanted, rule in (
        (Extra.SCALE, _scale),
        (Extra.BIAS, _bias),
        (Extra.SCALE, _scale),
        (Op.ACTIVATE, _activation),
    ):
        _into_producer(graph, wanted, rule)
    _residuals(graph)
    _siblings(graph)
    return graph


def _into_producer(graph: Graph, wanted: Op | Extra, rule: Rule) -> None:
    """Try a rule on each step of a kind and the only step whose whole result it reads."""
    makers = {step.out: step for step in graph.steps}
    uses = graph.uses()
    for step in list(graph.steps):
        if step.op is not wanted or step.a is None or uses[step.a.value] != 1:
            continue
        maker = makers[step.a.value]
        if step.a != Region(maker.out, 0, graph.made[maker.out].width):
            continue
        if rule(graph, maker, step):
            maker.nodes |= step.nodes
            graph.steps.remove(step)
            graph.redirect(step.out, maker.out)
            uses = graph.uses()


def _bias(graph: Graph, maker: Step, step: Step) -> bool:
    plain_linear = maker.op is Op.LINEAR and maker.b is None and maker.p[0] == Activation.NONE
    plain_norm = maker.op is Op.NORM and maker.p[0] != Norm.L2 and maker.p[2] == 1
    if step.bias is None or not (plain_linear or plain_norm):
        return False
    maker.bias = step.bias if maker.bias is None else maker.bias + step.bias
    return True


def _scale(graph: Graph, maker: Step, step: Step) -> bool:
    by = np.float32(step.scale)
    if maker.op is Op.LINEAR and maker.b is None and maker.p[0] == Activation.NONE:
        maker.matrix = _scaled(maker.matrix, step.scale)
        maker.bias = None if maker.bias is None else maker.bias * by
        return True
    if maker.op is Op.EMBED:
        maker.matrix = _scaled(maker.matrix, step.scale)
        maker.second = _scaled(maker.second, step.scale)
        return True
    if maker.op is Op.NORM and maker.p[0] != Norm.L2 and maker.weight is not None:
        maker.weight = maker.weight * by
        maker.bias = None if maker.bias is None else maker.bias * by
        return True
    return False


def _scaled(matrix: Matrix | None, factor: float) -> Matrix | None:
    return None if matrix is None else scaled(matrix, factor)


def _activation(graph: Graph, maker: Step, step: Step) -> bool:
    if maker.op is not Op.LINEAR or maker.b is not None or maker.p[0] != Activation.NONE:
        return False
    maker.p = (step.p[0],)
    return True


def _residuals(graph: Graph) -> None:
    """The later LINEAR of a sum adds the rest of it, at the place of the sum."""
    for step in list(graph.steps):
        if step.op is not Op.ADD or step.a is None or step.b is None:
            continue
        uses = graph.uses()
        places = {one.out: place for place, one in enumerate(graph.steps)}
        pairs = sorted(
            ((step.a, step.b), (step.b, step.a)), key=lambda pair: -places[pair[0].value]
        )
        for product, rest in pairs:
            maker = graph.steps[places[product.value]]
            whole = Region(maker.out, 0, graph.made[maker.out].width)
            if maker.op is Op.LINEAR and not maker.b and uses[maker.out] == 1 and product == whole:
                maker.b = rest
                maker.nodes |= step.nodes
                graph.steps.remove(maker)
                graph.steps[graph.steps.index(step)] = maker
                graph.redirect(step.out, maker.out)
                break


def _siblings(graph: Graph) -> None:
    groups: dict[tuple[object, ...], list[Step]] = {}
    for step in graph.steps:
        if step.op is Op.LINEAR and step.b is None and step.matrix and step.out != graph.output:
            key = (step.a, graph.made[step.out].rows, step.p, signature(step.matrix))
            groups.setdefault(key, []).append(step)
    for group in groups.values():
        if len(group) > 1:
            _join(graph, group)


def _join(graph: Graph, group: list[Step]) -> None:
    first, rest = group[0], group[1:]
    widths = [graph.made[step.out].width for step in group]
    first.matrix = stack([step.matrix for step in group if step.matrix is not None])
    if any(step.bias is not None for step in group):
        first.bias = np.concatenate(
            [
                np.zeros(width, np.float32) if step.bias is None else step.bias
                for step, width in zip(group, widths, strict=True)
            ]
        )
    graph.made[first.out] = replace(graph.made[first.out], width=sum(widths))
    column = widths[0]
    for step, width in zip(rest, widths[1:], strict=True):
        first.nodes |= step.nodes
        graph.steps.remove(step)
        graph.redirect(step.out, first.out, column)
        column += width
