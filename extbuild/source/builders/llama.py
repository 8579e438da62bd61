"""Llama-family decoder with a key/value cache as an ONNX graph (Touvron et al. 2023).

Inputs: ``input_ids`` and ``position_ids`` int64 ``(batch, seq)``; ``logits_index`` int64 ``(n,)``,
the positions along ``seq`` whose logits are wanted; per layer ``past_key_values.<i>.key`` and
``.value`` float32 ``(batch, kv_heads, past, head_dim)``, with ``past`` 0 at first.
Outputs: ``logits`` float32 ``(batch, n, vocab)`` and ``present.<i>.key``/``.value`` of shape
``(batch, kv_heads, past + seq, head_dim)``.

The causal mask is made from ``position_ids``: cache slot ``j`` holds position ``j``, so texts of a
batch are padded on the right and a real token never sees a pad.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from extbuild.source.builders.tape import MASKED, GraphTape, Weights, graph_input, name_output


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """Sizes of the decoder, in config.json's terms. ``heads`` is a multiple of ``kv_heads``."""

    vocab_size: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    rope_theta: float
    norm_eps: float
    tied: bool

    @property
    def group(self) -> int:
        """Query heads per key/value head (Ainslie et al. 2023)."""
        return self.heads // self.kv_heads


@dataclass(frozen=True, slots=True)
class _Step:
    """What every layer shares: rotary factors and the mask.

    ``cos`` and ``sin`` ``(batch, 1, seq, head_dim)``; ``mask`` ``(batch, 1, 1, seq, past + seq)``.
    """

    cos: ir.Value
    sin: ir.Value
    mask: ir.Value


def build_llama(shape: LlamaShape, weights: Weights) -> ir.Model:
    """The graph of a ``LlamaForCausalLM`` checkpoint."""
    tape = GraphTape()
    ids = graph_input("input_ids", ir.DataType.INT64, ("batch", "seq"))
    positions = graph_input("position_ids", ir.DataType.INT64, ("batch", "seq"))
    index = graph_input("logits_index", ir.DataType.INT64, ("n",))
    past = [
        graph_input(
            f"past_key_values.{layer}.{kind}",
            ir.DataType.FLOAT,
            ("batch", shape.kv_heads, "past", shape.head_dim),
        )
        for layer in range(shape.layers)
        for kind in ("key", "value")
    ]
    table_name = "model.embed_tokens.weight"
    table = tape.weight(table_name, weights(table_name, (shape.vocab_size, shape.hidden)))
    tape.scope("embed_tokens")
    hidden = tape.op("Gather", table, ids)
    step = _step(tape, shape, positions, past[0])
    present: list[ir.Value] = []
    for layer in range(shape.layers):
        cache = (past[2 * layer], past[2 * layer + 1])
        hidden, keys, values = _layer(
            tape, shape, weights, f"model.layers.{layer}", hidden, cache, step
        )
        present += [keys, values]
    tape.scope("head")
    wanted = tape.op("Gather", hidden, index, attributes={"axis": 1})
    normed = _rms_norm(tape, shape, weights, "model.norm.weight", wanted)
    logits = tape.op("MatMul", normed, _head(tape, shape, weights, table))
    name_output(logits, "logits", ir.DataType.FLOAT, ("batch", "n", shape.vocab_size))
    for layer in range(shape.layers):
        for offset, kind in enumerate(("key", "value")):
            name_output(
                present[2 * layer + offset],
                f"present.{layer}.{kind}",
                ir.DataType.FLOAT,
                ("batch", shape.kv_heads, "total", shape.head_dim),
            )
    return tape.finish([ids, positions, index, *past], [logits, *present])


def _head(tape: GraphTape, shape: LlamaShape, weights: Weights, table: ir.Value) -> ir.Value:
    """The output matrix ``(hidden, vocab)``: the table transposed, or a weight of its own."""
    if shape.tied:
        return tape.op("Transpose", table, attributes={"perm": (1, 0)})
    name = "lm_head.weight"
    return tape.weight(name, weights(name, (shape.vocab_size, shape.hidden)).T)


def _step(tape: GraphTape, shape: LlamaShape, positions: ir.Value, past_key: ir.Value) -> _Step:
    """Rotary factors (Su et al. 2021, rotate-half layout) and the causal mask."""
    tape.scope("rotary")
    half = np.arange(0, shape.head_dim, 2, dtype=np.float64) / shape.head_dim
    frequency = (1.0 / shape.rope_theta**half).astype(np.float32)
    as_float = tape.op("Cast", positions, attributes={"to": int(ir.DataType.FLOAT)})
    angle = tape.op(
        "Mul",
        tape.op("Unsqueeze", as_float, tape.ints(1, 3)),
        tape.weight("rotary.frequency", frequency),
    )
    both = tape.op("Concat", angle, angle, attributes={"axis": -1})
    cos, sin = tape.op("Cos", both), tape.op("Sin", both)
    tape.scope("mask")
    past = tape.op("Shape", past_key, attributes={"start": 2, "end": 3})
    seq = tape.op("Shape", positions, attributes={"start": 1, "end": 2})
    total = tape.op("Squeeze", tape.op("Add", past, seq))
    slots = tape.op("Range", tape.int_scalar(0), total, tape.int_scalar(1))
    later = tape.op("Greater", slots, tape.op("Unsqueeze", positions, tape.ints(1, 2, 4)))
    mask = tape.op("Where", later, tape.scalar(MASKED), tape.scalar(0.0))
    return _Step(cos, sin, mask)


def _layer(
    tape: GraphTape,
    shape: LlamaShape,
    weights: Weights,
    prefix: str,
    hidden: ir.Value,
    cache: tuple[ir.Value, ir.Value],
    step: _Step,
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """One pre-norm layer; returns hidden state, and keys and values with the new ones appended."""
    tape.scope(prefix.removeprefix("model."))
    normed = _rms_norm(tape, shape, weights, f"{prefix}.input_layernorm.weight", hidden)
    mixed, keys, values = _attention(
        tape, shape, weights, f"{prefix}.self_attn", normed, cache, step
    )
    hidden = tape.op("Add", hidden, mixed)
    normed = _rms_norm(tape, shape, weights, f"{prefix}.post_attention_layernorm.weight", hidden)
    gate = _linear(
        tape, weights, f"{prefix}.mlp.gate_proj.weight", normed, shape.hidden, shape.intermediate
    )
    up = _linear(
        tape, weights, f"{prefix}.mlp.up_proj.weight", normed, shape.hidden, shape.intermediate
    )
    # SiLU written out: ONNX has no such operator before opset 24.
    silu = tape.op("Mul", gate, tape.op("Sigmoid", gate))
    down = _linear(
        tape,
        weights,
        f"{prefix}.mlp.down_proj.weight",
        tape.op("Mul", silu, up),
        shape.intermediate,
        shape.hidden,
    )
    return tape.op("Add", hidden, down), keys, values


def _attention(
    tape: GraphTape,
    shape: LlamaShape,
    weights: Weights,
    prefix: str,
    hidden: ir.Value,
    cache: tuple[ir.Value, ir.Value],
    step: _Step,
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Grouped-query attention without repeating keys: queries carry a group axis instead.

    Queries ``(batch, kv_heads, group, seq, head_dim)`` meet keys
    ``(batch, kv_heads, 1, head_dim, past + seq)``.
    """

    def project(name: str, heads: int) -> ir.Value:
        weight = f"{prefix}.{name}.weight"
        flat = _linear(tape, weights, weight, hidden, shape.hidden, heads * shape.head_dim)
        split = tape.op("Reshape", flat, tape.ints(0, 0, heads, shape.head_dim))
        return tape.op("Transpose", split, attributes={"perm": (0, 2, 1, 3)})

    query = _rotate(tape, shape, project("q_proj", shape.heads), step)
    query = tape.op("Mul", query, tape.scalar(shape.head_dim**-0.5))
    # 0 and -1 of Reshape: keep batch, infer seq.
    grouped = tape.op(
        "Reshape", query, tape.ints(0, shape.kv_heads, shape.group, -1, shape.head_dim)
    )
    fresh = _rotate(tape, shape, project("k_proj", shape.kv_heads), step)
    keys = tape.op("Concat", cache[0], fresh, attributes={"axis": 2})
    values = tape.op("Concat", cache[1], project("v_proj", shape.kv_heads), attributes={"axis": 2})
    turned = tape.op(
        "Transpose",
        tape.op("Unsqueeze", keys, tape.ints(2)),
        attributes={"perm": (0, 1, 2, 4, 3)},
    )
    scores = tape.op("Add", tape.op("MatMul", grouped, turned), step.mask)
    shares = tape.op("Softmax", scores, attributes={"axis": -1})
    mixed = tape.op("MatMul", shares, tape.op("Unsqueeze", values, tape.ints(2)))
    ordered = tape.op("Transpose", mixed, attributes={"perm": (0, 3, 1, 2, 4)})
    width = shape.heads * shape.head_dim
    joined = tape.op("Reshape", ordered, tape.ints(0, 0, width))
    out = _linear(tape, weights, f"{prefix}.o_proj.weight", joined, width, shape.hidden)
    return out, keys, values


def _rotate(tape: GraphTape, shape: LlamaShape, value: ir.Value, step: _Step) -> ir.Value:
    """``x * cos + rotate_half(x) * sin`` for ``x`` ``(batch, heads, seq, head_dim)``."""
    half, end = shape.head_dim // 2, shape.head_dim
    first = tape.op("Slice", value, tape.ints(0), tape.ints(half), tape.ints(3))
    second = tape.op("Slice", value, tape.ints(half), tape.ints(end), tape.ints(3))
    turned = tape.op("Concat", tape.op("Neg", second), first, attributes={"axis": -1})
    return tape.op("Add", tape.op("Mul", value, step.cos), tape.op("Mul", turned, step.sin))


def _rms_norm(
    tape: GraphTape, shape: LlamaShape, weights: Weights, name: str, value: ir.Value
) -> ir.Value:
    """``x / sqrt(mean(x^2) + eps) * w`` (Zhang & Sennrich 2019), in the form onnxruntime fuses."""
    square = tape.op("Pow", value, tape.scalar(2.0))
    mean = tape.op("ReduceMean", square, tape.ints(-1), attributes={"keepdims": 1})
    root = tape.op("Sqrt", tape.op("Add", mean, tape.scalar(shape.norm_eps)))
    normed = tape.op("Div", value, root)
    return tape.op("Mul", normed, tape.weight(name, weights(name, (shape.hidden,))))


def _linear(
    tape: GraphTape, weights: Weights, name: str, value: ir.Value, inputs: int, outputs: int
) -> ir.Value:
    """``value @ W``; W is stored ``(inputs, outputs)``."""
    return tape.op("MatMul", value, tape.weight(name, weights(name, (outputs, inputs)).T))
