"""Graphs as other exporters write them: the same models, by other nodes.

Each ``Style`` field picks one of the forms that are seen in files from Optimum, torch.onnx (both
its exporters) and onnxruntime's own optimiser.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from extbuild.source.builders.tape import GraphTape, graph_input, name_output

VOCAB, HIDDEN, HEADS, INNER, POSITIONS, LABELS = 128, 32, 4, 64, 48, 3
HEAD = HIDDEN // HEADS
LOWEST = float(np.finfo(np.float32).min)
FLOAT = int(ir.DataType.FLOAT)


@dataclass(frozen=True)
class Style:
    mask: Literal["product", "where", "expanded", "boolean"] = "product"
    gelu: Literal["erf", "tanh", "node", "fast"] = "erf"
    norm: Literal["nodes", "node", "product"] = "nodes"
    scale: Literal["divide", "both", "query", "computed"] = "divide"
    positions: Literal["buffer", "range", "ids"] = "buffer"
    pooling: Literal["first", "slice", "mean", "none"] = "first"
    fused: bool = False


class Export:
    """A tape with random weights and the idioms of exporters."""

    def __init__(self, seed: int = 0) -> None:
        self.tape = GraphTape()
        self.rng = np.random.default_rng(seed)
        self.ids = graph_input("input_ids", ir.DataType.INT64, ("batch", "seq"))

    def weight(self, name: str, *shape: int) -> ir.Value:
        return self.tape.weight(name, self.random(*shape))

    def random(self, *shape: int) -> NDArray[np.float32]:
        return (0.3 * self.rng.standard_normal(shape)).astype(np.float32)

    def size(self, value: ir.Value, axis: int) -> ir.Value:
        """One length, by Shape and Gather, as tracing writes it."""
        tape = self.tape
        return tape.op("Gather", tape.op("Shape", value), tape.int_scalar(axis))

    def lengths(self, *parts: ir.Value | int) -> ir.Value:
        """A shape, by Unsqueeze and Concat, as tracing writes it."""
        tape = self.tape
        pieces = [
            tape.ints(part) if isinstance(part, int) else tape.op("Unsqueeze", part, tape.ints(0))
            for part in parts
        ]
        return tape.op("Concat", *pieces, attributes={"axis": 0})

    def linear(self, name: str, value: ir.Value, inputs: int, outputs: int) -> ir.Value:
        product = self.tape.op("MatMul", value, self.weight(f"{name}.w", inputs, outputs))
        return self.tape.op("Add", self.weight(f"{name}.b", outputs), product)

    def split_heads(self, value: ir.Value, heads: int = HEADS) -> ir.Value:
        tape = self.tape
        shape = self.lengths(self.size(value, 0), self.size(value, 1), heads, HEAD)
        return tape.op(
            "Transpose", tape.op("Reshape", value, shape), attributes={"perm": (0, 2, 1, 3)}
        )

    def join_heads(self, value: ir.Value) -> ir.Value:
        turned = self.tape.op("Transpose", value, attributes={"perm": (0, 2, 1, 3)})
        shape = self.lengths(self.size(turned, 0), self.size(turned, 1), HIDDEN)
        return self.tape.op("Reshape", turned, shape)

    def layer_norm(self, name: str, value: ir.Value, style: Style) -> ir.Value:
        tape = self.tape
        weight, bias = self.weight(f"{name}.w", HIDDEN), self.weight(f"{name}.b", HIDDEN)
        if style.norm == "node":
            return tape.op("LayerNormalization", value, weight, bias, attributes={"epsilon": 1e-12})
        centred = tape.op("Sub", value, tape.op("ReduceMean", value, tape.ints(-1)))
        if style.norm == "product":
            power = tape.op("ReduceMean", tape.op("Mul", centred, centred), tape.ints(-1))
            root = tape.op("Sqrt", tape.op("Add", power, tape.scalar(1e-12)))
            normed = tape.op("Mul", centred, tape.op("Reciprocal", root))
        else:
            power = tape.op("ReduceMean", tape.op("Pow", centred, tape.scalar(2.0)), tape.ints(-1))
            root = tape.op("Sqrt", tape.op("Add", power, tape.scalar(1e-12)))
            normed = tape.op("Div", centred, root)
        return tape.op("Add", tape.op("Mul", weight, normed), bias)

    def gelu(self, value: ir.Value, style: Style) -> ir.Value:
        tape = self.tape
        if style.gelu == "node":
            return tape.op("Gelu", value, domain="com.microsoft")
        if style.gelu == "fast":
            return tape.op("FastGelu", value, domain="com.microsoft")
        if style.gelu == "tanh":
            cube = tape.op("Pow", value, tape.scalar(3.0))
            sum_ = tape.op("Add", value, tape.op("Mul", cube, tape.scalar(0.044715)))
            turned = tape.op("Tanh", tape.op("Mul", sum_, tape.scalar(0.7978845608028654)))
            plus = tape.op("Add", turned, tape.scalar(1.0))
            return tape.op("Mul", tape.op("Mul", value, tape.scalar(0.5)), plus)
        inner = tape.op("Erf", tape.op("Div", value, tape.scalar(1.4142135381698608)))
        plus = tape.op("Add", inner, tape.scalar(1.0))
        return tape.op("Mul", tape.op("Mul", value, plus), tape.scalar(0.5))


def bert(style: Style) -> ir.Model:
    """A one-layer BERT; ``pooling`` "none" gives the hidden state of every token."""
    export = Export()
    tape = export.tape
    mask = graph_input("attention_mask", ir.DataType.INT64, ("batch", "seq"))
    kinds = graph_input("token_type_ids", ir.DataType.INT64, ("batch", "seq"))
    hidden = _embeddings(export, kinds, style)
    bias = _mask(export, mask, style)
    mixed = _attention(export, hidden, bias, style)
    projected = export.linear("output", mixed, HIDDEN, HIDDEN)
    hidden = export.layer_norm("norm1", tape.op("Add", projected, hidden), style)
    inner = export.gelu(export.linear("inner", hidden, HIDDEN, INNER), style)
    outer = export.linear("outer", inner, INNER, HIDDEN)
    hidden = export.layer_norm("norm2", tape.op("Add", hidden, outer), style)
    inputs = [export.ids, mask, kinds]
    if style.pooling == "none":
        name_output(hidden, "hidden", ir.DataType.FLOAT, ("batch", "seq", HIDDEN))
        return tape.finish(inputs, [hidden])
    pooled = _pooled(export, hidden, mask, style)
    gemm = {"transB": 1}
    dense = tape.op(
        "Gemm", pooled, export.weight("p.w", HIDDEN, HIDDEN), export.weight("p.b", HIDDEN),
        attributes=gemm,
    )  # fmt: skip
    logits = tape.op(
        "Gemm", tape.op("Tanh", dense), export.weight("c.w", LABELS, HIDDEN),
        export.weight("c.b", LABELS), attributes=gemm,
    )  # fmt: skip
    name_output(logits, "logits", ir.DataType.FLOAT, ("batch", LABELS))
    return tape.finish(inputs, [logits])


def _embeddings(export: Export, kinds: ir.Value, style: Style) -> ir.Value:
    tape, ids = export.tape, export.ids
    table = export.weight("positions", POSITIONS, HIDDEN)
    seq = export.size(ids, 1)
    if style.positions == "buffer":
        buffer = tape.ints(*range(POSITIONS))
        row = tape.op("Unsqueeze", buffer, tape.ints(0))
        end = tape.op("Unsqueeze", seq, tape.ints(0))
        places = tape.op("Slice", row, tape.ints(0), end, tape.ints(1), tape.ints(1))
    elif style.positions == "range":
        places = tape.op("Range", tape.int_scalar(0), seq, tape.int_scalar(1))
        places = tape.op("Unsqueeze", places, tape.ints(0))
    else:
        # RoBERTa counts the tokens that are no padding; its first position is 2.
        real = tape.op("Not", tape.op("Equal", ids, tape.int_scalar(1)))
        real = tape.op("Cast", real, attributes={"to": int(ir.DataType.INT64)})
        count = tape.op("CumSum", real, tape.int_scalar(1))
        places = tape.op("Add", tape.op("Mul", count, real), tape.int_scalar(1))
    words = tape.op("Gather", export.weight("words", VOCAB, HIDDEN), ids)
    summed = tape.op("Add", words, tape.op("Gather", export.weight("kinds", 2, HIDDEN), kinds))
    return export.layer_norm(
        "norm0", tape.op("Add", summed, tape.op("Gather", table, places)), style
    )


def _mask(export: Export, mask: ir.Value, style: Style) -> ir.Value:
    tape = export.tape
    wide = tape.op("Unsqueeze", tape.op("Unsqueeze", mask, tape.ints(1)), tape.ints(2))
    if style.mask == "boolean":
        return tape.op("Cast", wide, attributes={"to": int(ir.DataType.BOOL)})
    if style.mask in ("where", "expanded"):
        seq = export.size(mask, 1)
        wide = tape.op("Expand", wide, export.lengths(export.size(mask, 0), 1, seq, seq))
    flipped = tape.op("Sub", tape.scalar(1.0), tape.op("Cast", wide, attributes={"to": FLOAT}))
    if style.mask == "where":
        hidden = tape.op("Cast", flipped, attributes={"to": int(ir.DataType.BOOL)})
        return tape.op("Where", hidden, tape.scalar(LOWEST), flipped)
    return tape.op("Mul", flipped, tape.scalar(LOWEST))


def _attention(export: Export, hidden: ir.Value, bias: ir.Value, style: Style) -> ir.Value:
    tape = export.tape
    if style.fused:
        # Heads side by side, each with its query, key and value, as in GPT-NeoX.
        flat = export.linear("qkv", hidden, HIDDEN, 3 * HIDDEN)
        shape = export.lengths(export.size(flat, 0), export.size(flat, 1), HEADS, 3 * HEAD)
        split = tape.op(
            "Transpose", tape.op("Reshape", flat, shape), attributes={"perm": (0, 2, 1, 3)}
        )
        query, key, value = (
            tape.op("Slice", split, tape.ints(start), tape.ints(start + HEAD), tape.ints(3))
            for start in (0, HEAD, 2 * HEAD)
        )
    else:
        query, key, value = (
            export.split_heads(export.linear(name, hidden, HIDDEN, HIDDEN)) for name in "qkv"
        )
    turned = tape.op("Transpose", key, attributes={"perm": (0, 1, 3, 2)})
    if style.scale == "both":
        root = tape.scalar(HEAD**-0.25)
        query, turned = tape.op("Mul", query, root), tape.op("Mul", turned, root)
    elif style.scale == "query":
        query = tape.op("Div", query, tape.scalar(HEAD**0.5))
    scores = tape.op("MatMul", query, turned)
    if style.scale == "divide":
        scores = tape.op("Div", scores, tape.scalar(HEAD**0.5))
    elif style.scale == "computed":
        size = tape.op("Cast", export.size(query, 3), attributes={"to": FLOAT})
        scores = tape.op("Div", scores, tape.op("Sqrt", size))
    if style.mask == "boolean":
        scores = tape.op("Where", bias, scores, tape.scalar(LOWEST))
    else:
        scores = tape.op("Add", scores, bias)
    shares = tape.op("Softmax", scores, attributes={"axis": 3})
    if style.mask == "where":
        shares = tape.op("Where", tape.op("IsNaN", shares), tape.scalar(0.0), shares)
    return export.join_heads(tape.op("MatMul", tape.op("Dropout", shares), value))


def _pooled(export: Export, hidden: ir.Value, mask: ir.Value, style: Style) -> ir.Value:
    tape = export.tape
    if style.pooling == "first":
        return tape.op("Gather", hidden, tape.int_scalar(0), attributes={"axis": 1})
    if style.pooling == "slice":
        part = tape.op("Slice", hidden, tape.ints(0), tape.ints(1), tape.ints(1))
        return tape.op("Squeeze", part, tape.ints(1))
    wide = tape.op("Expand", tape.op("Unsqueeze", mask, tape.ints(-1)), tape.op("Shape", hidden))
    kept = tape.op("Cast", wide, attributes={"to": FLOAT})
    total = tape.op(
        "ReduceSum", tape.op("Mul", hidden, kept), tape.ints(1), attributes={"keepdims": 0}
    )
    count = tape.op("ReduceSum", kept, tape.ints(1), attributes={"keepdims": 0})
    return tape.op("Div", total, tape.op("Clip", count, tape.scalar(1e-9)))
