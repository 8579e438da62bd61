"""What the interpreter has found out so far, and how it records steps.

A meaning that is not yet an operation (half of a GELU, a lookup that lacks its positions) stays as
it is until something needs its result; :meth:`Run.settled` then makes it a computed value.
"""

from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from extbuild.compile.lower.axes import column_factors, columns, in_order, row_axes, span
from extbuild.compile.lower.matrices import Matrix, take_rows
from extbuild.compile.lower.probes import Probe
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.steps import Extra, Region, Step, Steps, Vector
from extbuild.compile.lower.values import Array, Axes, Axis, Factor, Known, Meaning, TableRows, View
from extbuild.compile.program import Kind, Op, Rows


class TooLongError(Exception):
    """The graph has no positions beyond ``limit``: probe again with no more than that."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(slots=True)
class Run:
    """One interpretation. ``pending`` holds nodes that no step stands for yet, by value."""

    kind: Kind
    probes: tuple[Probe, ...]
    opsets: dict[str, int]
    ir_version: int
    steps: Steps = field(default_factory=Steps)
    meanings: dict[ir.Value, Meaning] = field(default_factory=dict)
    pending: dict[ir.Value, set[int]] = field(default_factory=dict)
    structure: set[int] = field(default_factory=set)
    frequencies: list[NDArray[np.float32]] = field(default_factory=list)
    """Constant vectors that positions are multiplied by: where rotations may come from."""
    node_index: int = -1
    inputs: tuple[ir.Value | None, ...] = ()
    """Inputs of the node at hand."""
    emitted: bool = False
    """Whether a step stands for the node at hand."""
    vocab_size: int = 0
    layers: int = 0
    kv_heads: int = 0
    head_dim: int = 0

    @property
    def count(self) -> int:
        """Number of probes."""
        return len(self.probes)

    def meaning(self, value: ir.Value | None) -> Meaning:
        """What a value means; a constant is known in every probe."""
        if value is None:
            raise RefusalError("lacks an input")
        found = self.meanings.get(value)
        if found is None:
            if value.const_value is None:
                raise RefusalError(f"reads {value.name}, which nothing computes")
            array = value.const_value.numpy()
            found = Known((array,) * self.count, half=array.dtype == np.float16)
            self.meanings[value] = found
        return found

    def constant(self, value: ir.Value | None) -> Array:
        """The array of a constant input."""
        found = self.meaning(value)
        if not isinstance(found, Known) or not found.constant:
            raise RefusalError("has an input that must be constant and is not")
        return found.array

    def known(self, value: ir.Value | None) -> Known:
        """An input that depends on sizes and positions only."""
        found = as_known(self.meaning(value))
        if found is None:
            raise RefusalError("has an input that must depend on sizes and positions only")
        return found

    def waiting(self, *values: ir.Value | None) -> set[int]:
        """Nodes behind these values that no step stands for yet."""
        return {
            index for value in values if value is not None for index in self.pending.get(value, ())
        }

    def emit(
        self,
        op: Op | Extra,
        rows: Rows,
        width: int,
        *,
        a: Region | None = None,
        b: Region | None = None,
        c: Region | None = None,
        matrix: Matrix | None = None,
        second: Matrix | None = None,
        weight: Vector | None = None,
        bias: Vector | None = None,
        scale: float = 1.0,
        p: tuple[int, ...] = (),
        nodes: set[int] | None = None,
    ) -> int:
        """Record a step; returns the value that it makes.

        ``nodes`` are the ONNX nodes that it stands for: unless told, the one at hand and those that
        its inputs are waiting for.
        """
        if nodes is None:
            nodes = {self.node_index, *self.waiting(*self.inputs)}
            self.emitted = True
        value = self.steps.value(rows, width)
        step = Step(op, value, a, b, c, matrix, second, weight, bias, scale, p, set(nodes))
        self.steps.steps.append(step)
        return value

    def rows_of(self, axes: Axes) -> Rows:
        """The kind of rows that a view with these axes has."""
        kinds = tuple(factor.kind for factor in row_axes(axes))
        if kinds == ("batch", "seq"):
            return Rows.TOKENS
        if kinds == ("batch", "wanted"):
            return Rows.OUTPUTS
        if kinds == ("batch",):
            return Rows.SEQUENCES
        raise RefusalError("has rows that are neither tokens, texts nor wanted outputs, in order")

    def columns(self, size: int) -> Axis:
        """An axis of ``size`` columns side by side."""
        return () if size == 1 else (columns(size, 1, self.count),)

    def region(self, view: View) -> Region:
        """The columns that a view shows, whatever their order; they must lie side by side."""
        width = span(view)
        return Region(view.value, view.offset, width)

    def unscaled(self, view: View) -> View:
        """The same values with no scale left on the view."""
        if view.scale == 1.0:
            return view
        value = self.steps.made[view.value]
        whole = Region(view.value, 0, value.width)
        made = self.emit(
            Extra.SCALE, value.rows, value.width, a=whole, scale=view.scale, nodes=set()
        )
        return replace(view, value=made, scale=1.0)

    def compact(self, view: View) -> View:
        """The same values with the view's columns side by side, in the order of its axes.

        Where they are not, the matrix that makes them gives up the rows that are wanted.
        """
        try:
            span(view)
        except RefusalError:
            return self._picked(view)
        return view

    def in_order(self, view: View) -> View:
        """A view with rows first and columns side by side on the last axis, unscaled."""
        view = self.unscaled(view)
        if in_order(view):
            return view
        if column_factors(view.axes[:-1]) or not in_order(replaced := self.compact(view)):
            raise RefusalError("needs rows of tokens, and columns side by side on the last axis")
        return replaced

    def _picked(self, view: View) -> View:
        makers = {one.out: one for one in self.steps.steps}
        step, shift = makers[view.value], None
        while step.op is Extra.BIAS and step.bias is not None and self._is_whole(step.a):
            shift = step.bias if shift is None else shift + step.bias
            step = makers[step.a.value] if step.a is not None else step
        if step.op is not Op.LINEAR or step.matrix is None or step.a is None:
            raise RefusalError("needs columns that lie side by side")
        wanted = np.full(1, view.offset, np.int64)
        for factor in column_factors(view.axes):
            own = np.arange(factor.size, dtype=np.int64) * factor.stride
            wanted = (wanted[:, None] + own[None, :]).reshape(-1)
        bias = step.bias if shift is None or step.bias is None else step.bias + shift
        bias = shift if bias is None else bias
        made = self.emit(
            Op.LINEAR,
            self.steps.made[view.value].rows,
            wanted.size,
            a=step.a,
            matrix=take_rows(step.matrix, wanted),
            bias=None if bias is None else bias[wanted],
            p=step.p,
            nodes=step.nodes,
        )
        return View(made, self.restrided(view.axes), scale=view.scale)

    def _is_whole(self, region: Region | None) -> bool:
        return region is not None and region == Region(
            region.value, 0, self.steps.made[region.value].width
        )

    def restrided(self, axes: Axes) -> Axes:
        """The same axes over columns that lie side by side in the order of the axes."""
        left = prod(factor.size for factor in column_factors(axes))
        result: list[Axis] = []
        for axis in axes:
            new: list[Factor] = []
            for factor in axis:
                if factor.kind == "column":
                    left //= factor.size
                    new.append(columns(factor.size, left, self.count))
                else:
                    new.append(factor)
            result.append(tuple(new))
        return tuple(result)


def as_known(meaning: Meaning | None) -> Known | None:
    """The arrays of a meaning, if it has them."""
    if isinstance(meaning, TableRows):
        table = meaning.table
        if not np.issubdtype(table.dtype, np.floating):
            table = table.astype(np.float32)
        return Known(tuple(table[index] for index in meaning.index), half=meaning.half)
    return meaning if isinstance(meaning, Known) else None
