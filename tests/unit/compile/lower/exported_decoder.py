"""A one-layer decoder as exporters write it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir

from extbuild.source.builders.tape import graph_input, name_output
from tests.unit.compile.lower.exported import (
    FLOAT,
    HEAD,
    HEADS,
    HIDDEN,
    INNER,
    LOWEST,
    VOCAB,
    Export,
)

KV_HEADS = 2
GROUP = HEADS // KV_HEADS
POSITIONS = 64


@dataclass(frozen=True)
class DecoderStyle:
    repeat: Literal["group", "expand"] = "group"
    mask: Literal["compare", "triangle"] = "compare"
    angles: Literal["frequency", "product", "table"] = "frequency"
    norm: Literal["nodes", "power", "node"] = "nodes"
    fused: bool = False
    every_position: bool = False


def decoder(style: DecoderStyle) -> ir.Model:
    export = Export(1)
    tape = export.tape
    positions = graph_input("position_ids", ir.DataType.INT64, ("batch", "seq"))
    index = graph_input("logits_index", ir.DataType.INT64, ("n",))
    past = [
        graph_input(
            f"past_key_values.0.{kind}", ir.DataType.FLOAT, ("batch", KV_HEADS, "past", HEAD)
        )
        for kind in ("key", "value")
    ]
    table = export.weight("words", VOCAB, HIDDEN)
    hidden = tape.op("Gather", table, export.ids)
    normed = _norm(export, "norm1", hidden, style)
    query, key, value = _projected(export, normed, style)
    cos, sin = _angles(export, positions, style)
    query, key = _turned(export, query, cos, sin), _turned(export, key, cos, sin)
    key = tape.op("Concat", past[0], key, attributes={"axis": 2})
    value = tape.op("Concat", past[1], value, attributes={"axis": -2})
    grown = [key, value]
    mixed = _attention(export, query, key, value, _mask(export, positions, past[0], style), style)
    out = tape.op("MatMul", mixed, export.weight("o.w", HIDDEN, HIDDEN))
    hidden = tape.op("Add", hidden, out)
    normed = _norm(export, "norm2", hidden, style)
    up, gate = (
        tape.op("MatMul", normed, export.weight(f"{name}.w", HIDDEN, INNER))
        for name in ("up", "gate")
    )
    gated = tape.op("Mul", up, tape.op("Mul", gate, tape.op("Sigmoid", gate)))
    down = tape.op("MatMul", gated, export.weight("down.w", INNER, HIDDEN))
    hidden = tape.op("Add", down, hidden)
    if not style.every_position:
        hidden = tape.op("Gather", hidden, index, attributes={"axis": 1})
    head = tape.op("Transpose", table, attributes={"perm": (1, 0)})
    logits = tape.op("MatMul", _norm(export, "norm3", hidden, style), head)
    rows = "seq" if style.every_position else "n"
    name_output(logits, "logits", ir.DataType.FLOAT, ("batch", rows, VOCAB))
    for one, name in zip(grown, ("key", "value"), strict=True):
        shape = ("batch", KV_HEADS, "total", HEAD)
        name_output(one, f"present.0.{name}", ir.DataType.FLOAT, shape)
    inputs = [export.ids, positions, *([] if style.every_position else [index]), *past]
    return tape.finish(inputs, [logits, *grown])


def _projected(
    export: Export, value: ir.Value, style: DecoderStyle
) -> tuple[ir.Value, ir.Value, ir.Value]:
    tape, width = export.tape, KV_HEADS * HEAD
    if style.fused:
        flat = export.linear("qkv", value, HIDDEN, HIDDEN + 2 * width)
        sizes = tape.ints(HIDDEN, width, width)
        node = ir.node("Split", [flat, sizes], {"axis": -1}, num_outputs=3, name="Split")
        for place, output in enumerate(node.outputs):
            output.name = f"Split.{place}"
        tape._nodes.append(node)  # The tape makes nodes of one output only.
        parts = tuple(node.outputs)
    else:
        parts = tuple(
            tape.op("MatMul", value, export.weight(f"{name}.w", HIDDEN, size))
            for name, size in (("q", HIDDEN), ("k", width), ("v", width))
        )
    heads = (HEADS, KV_HEADS, KV_HEADS)
    query, key, held = (
        export.split_heads(part, count) for part, count in zip(parts, heads, strict=True)
    )
    return query, key, held


def _angles(export: Export, positions: ir.Value, style: DecoderStyle) -> tuple[ir.Value, ir.Value]:
    tape = export.tape
    frequency = (1 / 1000 ** (np.arange(0, HEAD, 2) / HEAD)).astype(np.float32)
    if style.angles == "table":
        both = np.concatenate([frequency, frequency])
        angle = np.arange(POSITIONS)[:, None] * both[None, :]
        tables = (np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32))
        cos, sin = (
            tape.op("Gather", tape.weight(name, table), positions)
            for name, table in zip(("cos", "sin"), tables, strict=True)
        )
        return tape.op("Unsqueeze", cos, tape.ints(1)), tape.op("Unsqueeze", sin, tape.ints(1))
    if style.angles == "product":
        wide = tape.op("Unsqueeze", positions, tape.ints(1))
        column = tape.weight("frequency", frequency.reshape(1, -1, 1))
        as_float = tape.op("Cast", wide, attributes={"to": FLOAT})
        angle = tape.op("MatMul", column, as_float)
        angle = tape.op("Transpose", angle, attributes={"perm": (0, 2, 1)})
    else:
        as_float = tape.op("Cast", positions, attributes={"to": FLOAT})
        wide = tape.op("Unsqueeze", as_float, tape.ints(2))
        angle = tape.op("Mul", wide, tape.weight("frequency", frequency))
    both_halves = tape.op("Concat", angle, angle, attributes={"axis": -1})
    cos, sin = (
        tape.op("Mul", tape.op(name, both_halves), tape.scalar(1.0)) for name in ("Cos", "Sin")
    )
    return tape.op("Unsqueeze", cos, tape.ints(1)), tape.op("Unsqueeze", sin, tape.ints(1))


def _turned(export: Export, value: ir.Value, cos: ir.Value, sin: ir.Value) -> ir.Value:
    tape = export.tape
    middle = tape.op("Div", export.size(value, 3), tape.int_scalar(2))
    middle = tape.op("Unsqueeze", middle, tape.ints(0))
    first = tape.op("Slice", value, tape.ints(0), middle, tape.ints(3), tape.ints(1))
    end = tape.ints(np.iinfo(np.int64).max)
    second = tape.op("Slice", value, middle, end, tape.ints(3), tape.ints(1))
    halves = tape.op("Concat", tape.op("Neg", second), first, attributes={"axis": -1})
    return tape.op("Add", tape.op("Mul", value, cos), tape.op("Mul", halves, sin))


def _mask(export: Export, positions: ir.Value, past: ir.Value, style: DecoderStyle) -> ir.Value:
    tape = export.tape
    seq, before = export.size(positions, 1), export.size(past, 2)
    total = tape.op("Add", seq, before)
    if style.mask == "triangle":
        shape = export.lengths(seq, total)
        value = ir.tensor(np.asarray([LOWEST], np.float32))
        node = ir.node("ConstantOfShape", [shape], {"value": value}, name="full")
        node.outputs[0].name = "full"
        tape._nodes.append(node)  # The tape knows no attribute that is a tensor.
        after = tape.op("Add", before, tape.int_scalar(1))
        upper = tape.op("Trilu", node.outputs[0], after, attributes={"upper": 1})
        return tape.op("Unsqueeze", upper, tape.ints(0, 1))
    slots = tape.op("Range", tape.int_scalar(0), total, tape.int_scalar(1))
    earlier = tape.op("LessOrEqual", slots, tape.op("Unsqueeze", positions, tape.ints(1, 3)))
    return tape.op("Where", earlier, tape.scalar(0.0), tape.scalar(LOWEST))


def _attention(
    export: Export,
    query: ir.Value,
    key: ir.Value,
    value: ir.Value,
    mask: ir.Value,
    style: DecoderStyle,
) -> ir.Value:
    tape = export.tape
    if style.repeat == "expand":
        key, value = _repeated(export, key), _repeated(export, value)
        turned = tape.op("Transpose", key, attributes={"perm": (0, 1, 3, 2)})
        scores = tape.op("Mul", tape.op("MatMul", query, turned), tape.scalar(HEAD**-0.5))
        shares = tape.op("Softmax", tape.op("Add", scores, mask), attributes={"axis": -1})
        return export.join_heads(tape.op("MatMul", shares, value))
    shape = export.lengths(export.size(query, 0), KV_HEADS, GROUP, export.size(query, 2), HEAD)
    query = tape.op("Reshape", query, shape)
    key = tape.op("Unsqueeze", key, tape.ints(2))
    turned = tape.op("Transpose", key, attributes={"perm": (0, 1, 2, 4, 3)})
    scores = tape.op("Mul", tape.op("MatMul", query, turned), tape.scalar(HEAD**-0.5))
    wide = tape.op("Unsqueeze", mask, tape.ints(1))
    shares = tape.op("Softmax", tape.op("Add", scores, wide), attributes={"axis": -1})
    mixed = tape.op("MatMul", shares, tape.op("Unsqueeze", value, tape.ints(2)))
    flat = export.lengths(export.size(mixed, 0), HEADS, export.size(mixed, 3), HEAD)
    return export.join_heads(tape.op("Reshape", mixed, flat))


def _repeated(export: Export, value: ir.Value) -> ir.Value:
    """Keys or values once for each query head, by Unsqueeze, Expand and Reshape."""
    tape = export.tape
    batch, total = export.size(value, 0), export.size(value, 2)
    wide = tape.op("Unsqueeze", value, tape.ints(2))
    shape = export.lengths(batch, KV_HEADS, GROUP, total, HEAD)
    expanded = tape.op("Expand", wide, shape)
    return tape.op("Reshape", expanded, export.lengths(batch, HEADS, total, HEAD))


def _norm(export: Export, name: str, value: ir.Value, style: DecoderStyle) -> ir.Value:
    tape = export.tape
    weight = export.weight(f"{name}.w", HIDDEN)
    if style.norm == "node":
        return tape.op(
            "SimplifiedLayerNormalization", value, weight, attributes={"epsilon": 1e-6, "axis": -1}
        )
    power = tape.op("ReduceMean", tape.op("Pow", value, tape.scalar(2.0)), tape.ints(-1))
    lifted = tape.op("Add", power, tape.scalar(1e-6))
    if style.norm == "power":
        return tape.op(
            "Mul", weight, tape.op("Mul", value, tape.op("Pow", lifted, tape.scalar(-0.5)))
        )
    inverse = tape.op("Reciprocal", tape.op("Sqrt", lifted))
    return tape.op("Mul", tape.op("Mul", value, inverse), weight)
