"""Signed int8 weights with one scale per output channel; activations are quantised at run time.

Rules:

1. ``x @ W`` with a float32 initialiser W ``(rows, cols)`` becomes com.microsoft
   MatMulIntegerToFloat with int8 W and float32 scales ``(cols,)``. Signed, because ONNX Runtime Web
   agrees with native onnxruntime on signed weights and is off by 1e-2 on unsigned ones.
2. x is divided by its largest magnitude per row, that is per token, and stored as uint8 with the
   constant scale 1/127 and zero point 128; the product is multiplied by that magnitude. With one
   scale for all of x, as in DynamicQuantizeMatMul, the score of a text would depend on the texts
   batched with it, and a suggestion on how the prompt was cut into pieces; the error is also twice
   as large. Products that share x share its quantised form.
3. A Gemm counts as product plus Add.
4. Heads with fewer than :data:`MIN_COLUMNS` outputs stay: they cost nothing and decide everything.
5. With ``weight_bits = 7`` the weights of products are within -63..63 and their scales are a
   column's peak / 63. Pairs of products of 8-bit activations and such weights fit 16 bits, which
   is what the fastest instructions for them add in: the idea of ``reduce_range`` in onnxruntime's
   quantiser for x86 without VNNI; here it is for relaxed SIMD, whose dot product takes 7 bits on
   one side. A table that is only looked up keeps its 8 bits.
6. With ``embeddings``, a gathered table becomes int8 rows with one float32 scale per row.
7. A table shared with the head (see tie_embeddings) is stored once, int8 ``(hidden, vocab)`` with
   one scale per vocabulary entry: the lookup gathers a column and multiplies by its scale.
8. A matrix with any other use stays, and the report says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import onnx_ir as ir

from extbuild.compress.contract import Outcome
from extbuild.compress.graph import (
    add_initializer,
    constant,
    drop_unused,
    float_matrices,
    insert,
    replace,
    unmatched,
)
from extbuild.compress.kernels import Float32, quantize_columns, quantize_rows
from extbuild.compress.uses import Kind, Use, matrix_uses
from extbuild.config.recipe import DynamicInt8
from extbuild.errors import CompressError, ContractError

MIN_COLUMNS = 8
UNIT_SCALE = np.asarray(1 / 127, np.float32)
UNIT_ZERO = np.asarray(128, np.uint8)
TINY = np.asarray(1e-30, np.float32)
"""Stands in for the largest magnitude of a row of zeros."""


@dataclass(frozen=True, slots=True)
class DynamicInt8Pass:
    """See the rules above. ``place`` names the recipe entry in errors."""

    spec: DynamicInt8
    place: str
    name: Literal["dynamic_int8"] = "dynamic_int8"

    def requires(self, model: ir.Model) -> None:
        """There is something to quantise, and every ``skip`` pattern fits something."""
        lost = unmatched(model, self.spec.skip)
        if lost:
            raise CompressError(
                f"{self.place}.skip", "must name weights of the graph", found=", ".join(lost)
            )
        if not any(self._plan(value) for value in float_matrices(model, self.spec.skip)):
            raise CompressError(
                self.place,
                "finds no constant float32 matrix to quantise",
                do="put fold_constants before it, or remove it",
            )

    def run(self, model: ir.Model) -> Outcome:
        """Quantise each matrix whose every use has an int8 form."""
        changed, error = 0, 0.0
        notes: list[str] = []
        activations = Activations(model)
        most = (1 << (self.spec.weight_bits - 1)) - 1
        for value in float_matrices(model, self.spec.skip):
            plan = self._plan(value)
            if plan is None:
                notes += _left_note(value)
                continue
            changed += 1
            error = max(error, _quantize(model, value, plan, activations, most))
        drop_unused(model)
        return Outcome(changed, error, tuple(notes))

    def ensures(self, model: ir.Model, outcome: Outcome) -> None:
        """Every quantised product has signed weights with one finite scale per column."""
        for node in model.graph:
            if node.op_type == "MatMulIntegerToFloat":
                weight, scales = constant(node.inputs[1]), constant(node.inputs[3])
                if weight is None or scales is None or weight.dtype != np.int8:
                    raise ContractError(f"dynamic_int8 left {node.name} without int8 weights")
                if scales.shape != weight.shape[1:] or not np.isfinite(scales).all():
                    raise ContractError(f"dynamic_int8 left {node.name} without proper scales")

    def _plan(self, value: ir.Value) -> "Plan | None":
        """How to store a matrix; ``None`` if it stays float32."""
        uses = matrix_uses(value)
        kinds = {use.kind for use in uses}
        if kinds == {"rows"}:
            return Plan("rows", uses) if self.spec.embeddings else None
        if kinds == {"product"}:
            return Plan("product", uses) if _columns(value, 1) >= MIN_COLUMNS else None
        if kinds == {"transposed product"}:
            return Plan("transposed product", uses) if _columns(value, 0) >= MIN_COLUMNS else None
        if kinds == {"product", "columns"} and self.spec.embeddings:
            return Plan("columns", uses)
        return None


@dataclass(frozen=True, slots=True)
class Plan:
    """``layout`` is the use that decides how the matrix is stored."""

    layout: Kind
    uses: Sequence[Use]


@dataclass(frozen=True, slots=True)
class Rows:
    """An activation x ``(..., k)``: ``unit`` uint8 ``(..., k)`` and ``peak`` float32 ``(..., 1)``.

    x = (unit - 128) / 127 * peak.
    """

    unit: ir.Value
    peak: ir.Value


@dataclass(slots=True)
class Activations:
    """The quantised form of each activation, made once, right after the activation itself."""

    model: ir.Model
    made: dict[str, Rows] = field(default_factory=dict)

    def rows(self, value: ir.Value) -> Rows:
        """Quantise ``value`` per row, or give what was made before."""
        name = str(value.name)
        if name not in self.made:
            self.made[name] = self._make(value, name)
        return self.made[name]

    def _make(self, value: ir.Value, name: str) -> Rows:
        last_axis = add_initializer(self.model, "int64.-1", np.asarray([-1], np.int64))
        tiny = add_initializer(self.model, "int8.tiny", TINY)
        scale = add_initializer(self.model, "int8.unit.scale", UNIT_SCALE)
        zero = add_initializer(self.model, "int8.unit.zero", UNIT_ZERO)
        producer = value.producer()
        graph = self.model.graph
        after = graph[0] if producer is None else graph[graph.index(producer) + 1]
        size = insert(after, "Abs", [value], f"{name}/abs")
        most = insert(after, "ReduceMax", [size, last_axis], f"{name}/max", {"keepdims": 1})
        peak = insert(after, "Max", [most, tiny], f"{name}/peak")
        unit = insert(after, "Div", [value, peak], f"{name}/unit")
        return Rows(insert(after, "QuantizeLinear", [unit, scale, zero], f"{name}/int8"), peak)


def _columns(value: ir.Value, axis: int) -> int:
    held = constant(value)
    return 0 if held is None else held.shape[axis]


def _left_note(value: ir.Value) -> list[str]:
    """Large matrices that stay are worth a word; small ones are not."""
    held = constant(value)
    if held is None or held.nbytes < 65536:
        return []
    users = ", ".join(sorted({use.node.op_type for use in matrix_uses(value)}))
    return [f"{value.name} stays float32, used by {users}"]


def _quantize(
    model: ir.Model, value: ir.Value, plan: Plan, activations: Activations, most: int
) -> float:
    """Store one matrix as int8 and rewrite its uses; returns the largest absolute error.

    ``most`` is the largest magnitude of a stored value of a product.
    """
    held: Float32 = np.asarray(constant(value), np.float32)
    name = str(value.name)
    if plan.layout == "rows":
        stored = quantize_rows(held)
    else:
        stored = quantize_columns(held.T if plan.layout == "transposed product" else held, most)
    weight = add_initializer(model, f"{name}.int8", stored.values)
    scales = add_initializer(model, f"{name}.scale", stored.scales)
    for use in plan.uses:
        if use.kind == "rows":
            _lookup_rows(model, use.node, weight, scales)
        elif use.kind == "columns":
            _lookup_columns(use.node, weight, scales)
        else:
            _product(model, use.node, weight, scales, activations)
    return stored.max_abs_error


def _product(
    model: ir.Model,
    node: ir.Node,
    weight: ir.Value,
    scales: ir.Value,
    activations: Activations,
) -> None:
    """``x @ W`` on integers, then the peak of each row, then the bias of a Gemm."""
    left = node.inputs[0]
    if left is None:
        raise ContractError(f"{node.name} has no left-hand side")
    rows = activations.rows(left)
    scale = add_initializer(model, "int8.unit.scale", UNIT_SCALE)
    zero = add_initializer(model, "int8.unit.zero", UNIT_ZERO)
    inputs = [rows.unit, weight, scale, scales, zero]
    product = insert(
        node, "MatMulIntegerToFloat", inputs, f"{node.name}.int8", domain="com.microsoft"
    )
    result = insert(node, "Mul", [product, rows.peak], f"{node.name}.scaled")
    if node.op_type == "Gemm" and len(node.inputs) > 2 and node.inputs[2] is not None:
        result = insert(node, "Add", [result, node.inputs[2]], f"{node.name}.bias")
    replace(node, result)


def _lookup_rows(model: ir.Model, node: ir.Node, weight: ir.Value, scales: ir.Value) -> None:
    """``W[ids] * scale[ids]`` with the scale on a new last axis."""
    ids = node.inputs[1]
    whole = _as_float(node, insert(node, "Gather", [weight, ids], f"{node.name}.int8", {"axis": 0}))
    scale = insert(node, "Gather", [scales, ids], f"{node.name}.scale", {"axis": 0})
    axis = add_initializer(model, "int64.-1", np.asarray([-1], np.int64))
    wide = insert(node, "Unsqueeze", [scale, axis], f"{node.name}.scale.wide")
    replace(node, insert(node, "Mul", [whole, wide], f"{node.name}.float"))


def _lookup_columns(node: ir.Node, weight: ir.Value, scales: ir.Value) -> None:
    """``W[:, ids] * scale[ids]``: the scale broadcasts over the first axis."""
    ids = node.inputs[1]
    whole = _as_float(node, insert(node, "Gather", [weight, ids], f"{node.name}.int8", {"axis": 1}))
    scale = insert(node, "Gather", [scales, ids], f"{node.name}.scale", {"axis": 0})
    replace(node, insert(node, "Mul", [whole, scale], f"{node.name}.float"))


def _as_float(node: ir.Node, value: ir.Value) -> ir.Value:
    return insert(node, "Cast", [value], f"{value.name}.cast", {"to": int(ir.DataType.FLOAT)})
