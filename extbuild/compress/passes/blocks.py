"""4-bit or 8-bit weights in blocks of ``block`` values along the input dimension.

Rules:

1. ``x @ W`` with a float32 initialiser W ``(k, n)`` becomes com.microsoft MatMulNBits.
   ``block`` must divide k. Scales minimise the squared error of their block and are numbers that
   float16 holds exactly; zero points are stored only where they pay, with 8 bits nowhere (see
   kernels.quantize_blocks).
2. A Gemm with a transposed weight is read as ``x @ W``; its bias becomes an Add.
3. Heads with fewer than :data:`MIN_COLUMNS` outputs stay.
4. A table shared with the head (see tie_embeddings) is stored once: the head is a MatMulNBits and
   the lookup a GatherBlockQuantized on the same bytes, seen as ``(vocab, bytes of a row)``.
5. Plain tables stay; dynamic_int8 or float16 may follow for them.
"""

from dataclasses import dataclass

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
from extbuild.compress.kernels import Bits, Blocks, Float32, quantize_blocks
from extbuild.compress.uses import Use, matrix_uses
from extbuild.config.recipe import Block4Bit, Block8Bit
from extbuild.errors import CompressError, ContractError

MIN_COLUMNS = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """The initialisers of one matrix ``(k, n)``; see kernels.Blocks for shapes."""

    bits: Bits
    packed: ir.Value
    scales: ir.Value
    zero_points: ir.Value | None
    k: int
    n: int
    block: int


@dataclass(frozen=True, slots=True)
class BlocksPass:
    """See the rules above. ``place`` names the recipe entry in errors."""

    spec: Block4Bit | Block8Bit
    place: str

    @property
    def name(self) -> str:
        """The recipe's name of it, which says the bits."""
        return self.spec.name

    @property
    def bits(self) -> Bits:
        """Bits of one stored value."""
        return 4 if self.spec.name == "block_4bit" else 8

    def requires(self, model: ir.Model) -> None:
        """Something can be quantised, and the block divides the rows of all of it."""
        lost = unmatched(model, self.spec.skip)
        if lost:
            raise CompressError(
                f"{self.place}.skip", "must name weights of the graph", found=", ".join(lost)
            )
        chosen = _chosen(model, self.spec.skip)
        if not chosen:
            raise CompressError(
                self.place,
                "finds no constant float32 matrix to quantise",
                do="put fold_constants before it, or remove it",
            )
        for value, uses in chosen:
            k = _matrix(value, uses).shape[0]
            if k % self.spec.block:
                fitting = [str(size) for size in (32, 64, 128) if k % size == 0]
                do = f"use {' or '.join(fitting)}, or add" if fitting else "add"
                raise CompressError(
                    f"{self.place}.block",
                    f"must divide {k} (rows of {value.name})",
                    found=str(self.spec.block),
                    do=f"{do} the weight to skip",
                )

    def run(self, model: ir.Model) -> Outcome:
        """Quantise every chosen matrix and rewrite its uses."""
        error, free = 0.0, 0
        chosen = _chosen(model, self.spec.skip)
        for value, uses in chosen:
            blocks = quantize_blocks(_matrix(value, uses), self.spec.block, self.bits)
            stored = _store(model, value, uses, blocks, self.spec.block)
            for use in uses:
                if use.kind == "columns":
                    _lookup(model, use.node, stored)
                else:
                    _product(use.node, stored)
            error = max(error, blocks.max_abs_error)
            free += blocks.zero_points is not None
        drop_unused(model)
        notes = (f"{free} of {len(chosen)} matrices with zero points",)
        return Outcome(len(chosen), error, notes if self.bits == 4 else ())

    def ensures(self, model: ir.Model, outcome: Outcome) -> None:
        """Every chosen matrix is gone, and packed weights have the shape the operator wants."""
        if _chosen(model, self.spec.skip):
            raise ContractError(f"{self.name} left a matrix that it chose")
        for node in model.graph:
            if node.op_type == "MatMulNBits":
                packed = constant(node.inputs[1])
                k, n = (node.attributes[key].as_int() for key in ("K", "N"))
                block = node.attributes["block_size"].as_int()
                row_bytes = block * node.attributes["bits"].as_int() // 8
                if packed is None or packed.shape != (n, k // block, row_bytes):
                    raise ContractError(f"{self.name} left {node.name} with a wrong layout")


def _chosen(model: ir.Model, skip: tuple[str, ...]) -> list[tuple[ir.Value, list[Use]]]:
    chosen = []
    for value in float_matrices(model, skip):
        uses = matrix_uses(value)
        kinds = {use.kind for use in uses}
        if kinds in ({"product"}, {"transposed product"}):
            if _matrix(value, uses).shape[1] >= MIN_COLUMNS:
                chosen.append((value, uses))
        elif kinds == {"product", "columns"} and all(
            use.kind == "product" or _turned(use.node) is not None for use in uses
        ):
            chosen.append((value, uses))
    return chosen


def _matrix(value: ir.Value, uses: list[Use]) -> Float32:
    """The weight as ``(k, n)``."""
    held = np.asarray(constant(value), np.float32)
    return held.T if uses[0].kind == "transposed product" else held


def _turned(lookup: ir.Node) -> ir.Node | None:
    """The Transpose that alone follows a lookup by columns and puts rows last."""
    uses = list(lookup.outputs[0].uses())
    if len(uses) != 1 or uses[0][0].op_type != "Transpose":
        return None
    node = uses[0][0]
    order = node.attributes.get("perm")
    count = 0 if order is None else len(order.as_ints())
    return node if order and list(order.as_ints()) == [*range(1, count), 0] else None


def _store(model: ir.Model, value: ir.Value, uses: list[Use], blocks: Blocks, block: int) -> Stored:
    name = str(value.name)
    k, n = _matrix(value, uses).shape
    zeros = blocks.zero_points
    return Stored(
        bits=blocks.bits,
        packed=add_initializer(model, f"{name}.int{blocks.bits}", blocks.packed),
        scales=add_initializer(model, f"{name}.scale", blocks.scales),
        zero_points=None if zeros is None else add_initializer(model, f"{name}.zero", zeros),
        k=k,
        n=n,
        block=block,
    )


def _product(node: ir.Node, stored: Stored) -> None:
    """``x @ W`` as MatMulNBits; the bias of a Gemm as an Add behind it."""
    inputs = [node.inputs[0], stored.packed, stored.scales]
    if stored.zero_points is not None:
        inputs.append(stored.zero_points)
    sizes = {"K": stored.k, "N": stored.n, "bits": stored.bits, "block_size": stored.block}
    result = insert(
        node,
        "MatMulNBits",
        inputs,
        f"{node.name}.int{stored.bits}",
        {**sizes},
        domain="com.microsoft",
    )
    if node.op_type == "Gemm" and len(node.inputs) > 2 and node.inputs[2] is not None:
        result = insert(node, "Add", [result, node.inputs[2]], f"{node.name}.bias")
    replace(node, result)


def _lookup(model: ir.Model, node: ir.Node, stored: Stored) -> None:
    """Rows of the shared table, straight to ``(..., hidden)``: the Transpose goes as well."""
    turned = _turned(node)
    if turned is None:
        raise ContractError(f"{node.name} is not followed by its Transpose")
    row_bytes = stored.k * stored.bits // 8
    shape = add_initializer(
        model, f"int64.{stored.n}_{row_bytes}", np.asarray([stored.n, row_bytes], np.int64)
    )
    name = f"{node.name}.int{stored.bits}"
    flat = insert(node, "Reshape", [stored.packed, shape], f"{name}.flat")
    inputs = [flat, node.inputs[1], stored.scales]
    if stored.zero_points is not None:
        inputs.append(stored.zero_points)
    sizes = {"gather_axis": 0, "quantize_axis": 1, "block_size": stored.block, "bits": stored.bits}
    rows = insert(node, "GatherBlockQuantized", inputs, name, {**sizes}, domain="com.microsoft")
    replace(turned, rows)
