"""BERT for sequence classification as an ONNX graph (post-norm encoder, Devlin et al. 2018).

Inputs ``input_ids`` and ``attention_mask``, both int64 ``(batch, seq)``; output ``logits`` float32
``(batch, labels)``. Token types are 0 for every token, so that row is added to the positions.
Linear weights are stored ``(inputs, outputs)``, the transpose of the Hugging Face file.
"""

from dataclasses import dataclass

import onnx_ir as ir

from extbuild.source.builders.tape import MASKED, GraphTape, Weights, graph_input, name_output


@dataclass(frozen=True, slots=True)
class BertShape:
    """Sizes of the encoder, in config.json's terms."""

    vocab_size: int
    labels: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    max_positions: int
    token_types: int
    norm_eps: float


def build_bert(shape: BertShape, weights: Weights) -> ir.Model:
    """The graph of a ``BertForSequenceClassification`` checkpoint."""
    tape = GraphTape()
    ids = graph_input("input_ids", ir.DataType.INT64, ("batch", "seq"))
    mask = graph_input("attention_mask", ir.DataType.INT64, ("batch", "seq"))
    hidden = _embeddings(tape, shape, weights, ids)
    bias = _mask_bias(tape, mask)
    for index in range(shape.layers):
        hidden = _layer(tape, shape, weights, f"bert.encoder.layer.{index}", hidden, bias)
    logits = _classifier(tape, shape, weights, hidden)
    name_output(logits, "logits", ir.DataType.FLOAT, ("batch", shape.labels))
    return tape.finish([ids, mask], [logits])


def _embeddings(tape: GraphTape, shape: BertShape, weights: Weights, ids: ir.Value) -> ir.Value:
    """Word + position + type-0 embedding, normalised: ``(batch, seq, hidden)``."""
    prefix = "bert.embeddings"
    tape.scope("embeddings")
    word = f"{prefix}.word_embeddings.weight"
    position = f"{prefix}.position_embeddings.weight"
    kind = f"{prefix}.token_type_embeddings.weight"
    table = tape.weight(word, weights(word, (shape.vocab_size, shape.hidden)))
    places = tape.weight(position, weights(position, (shape.max_positions, shape.hidden)))
    types = weights(kind, (shape.token_types, shape.hidden))
    fixed = tape.op("Add", places, tape.weight(f"{kind}.0", types[0]))
    length = tape.op("Shape", ids, attributes={"start": 1, "end": 2})
    fixed = tape.op("Slice", fixed, tape.ints(0), length, tape.ints(0))
    summed = tape.op("Add", tape.op("Gather", table, ids), fixed)
    return _layer_norm(tape, shape, weights, f"{prefix}.LayerNorm", summed)


def _mask_bias(tape: GraphTape, mask: ir.Value) -> ir.Value:
    """0 for tokens, :data:`MASKED` for padding: ``(batch, 1, 1, seq)``."""
    tape.scope("mask")
    wide = tape.op("Unsqueeze", mask, tape.ints(1, 2))
    kept = tape.op("Cast", wide, attributes={"to": int(ir.DataType.FLOAT)})
    return tape.op("Mul", tape.op("Sub", tape.scalar(1.0), kept), tape.scalar(MASKED))


def _layer(
    tape: GraphTape,
    shape: BertShape,
    weights: Weights,
    prefix: str,
    hidden: ir.Value,
    bias: ir.Value,
) -> ir.Value:
    """One encoder layer: attention, residual, norm, feed-forward, residual, norm."""
    size = shape.hidden
    tape.scope(prefix.removeprefix("bert."))
    mixed = _attention(tape, shape, weights, f"{prefix}.attention.self", hidden, bias)
    projected = _linear(tape, weights, f"{prefix}.attention.output.dense", mixed, size, size)
    attended = _layer_norm(
        tape,
        shape,
        weights,
        f"{prefix}.attention.output.LayerNorm",
        tape.op("Add", projected, hidden),
    )
    inner = _linear(
        tape, weights, f"{prefix}.intermediate.dense", attended, size, shape.intermediate
    )
    outer = _linear(
        tape,
        weights,
        f"{prefix}.output.dense",
        tape.op("Gelu", inner),
        shape.intermediate,
        size,
    )
    return _layer_norm(
        tape, shape, weights, f"{prefix}.output.LayerNorm", tape.op("Add", outer, attended)
    )


def _attention(
    tape: GraphTape,
    shape: BertShape,
    weights: Weights,
    prefix: str,
    hidden: ir.Value,
    bias: ir.Value,
) -> ir.Value:
    """Multi-head self-attention, heads joined again: ``(batch, seq, hidden)``."""
    head = shape.hidden // shape.heads
    split = tape.ints(0, 0, shape.heads, head)

    def project(name: str, order: tuple[int, ...]) -> ir.Value:
        flat = _linear(tape, weights, f"{prefix}.{name}", hidden, shape.hidden, shape.hidden)
        return tape.op("Transpose", tape.op("Reshape", flat, split), attributes={"perm": order})

    query = project("query", (0, 2, 1, 3))
    key = project("key", (0, 2, 3, 1))
    value = project("value", (0, 2, 1, 3))
    scores = tape.op("Mul", tape.op("MatMul", query, key), tape.scalar(head**-0.5))
    shares = tape.op("Softmax", tape.op("Add", scores, bias), attributes={"axis": -1})
    mixed = tape.op("MatMul", shares, value)
    joined = tape.op("Transpose", mixed, attributes={"perm": (0, 2, 1, 3)})
    return tape.op("Reshape", joined, tape.ints(0, 0, shape.hidden))


def _classifier(
    tape: GraphTape,
    shape: BertShape,
    weights: Weights,
    hidden: ir.Value,
) -> ir.Value:
    """Pooler over [CLS], then one linear map per label: ``(batch, labels)``."""
    tape.scope("classifier")
    first = tape.op("Gather", hidden, tape.int_scalar(0), attributes={"axis": 1})
    pooled = tape.op(
        "Tanh", _linear(tape, weights, "bert.pooler.dense", first, shape.hidden, shape.hidden)
    )
    return _linear(tape, weights, "classifier", pooled, shape.hidden, shape.labels)


def _linear(
    tape: GraphTape, weights: Weights, name: str, value: ir.Value, inputs: int, outputs: int
) -> ir.Value:
    """``value @ W + b``; W is stored ``(inputs, outputs)``."""
    matrix = weights(f"{name}.weight", (outputs, inputs)).T
    product = tape.op("MatMul", value, tape.weight(f"{name}.weight", matrix))
    bias = tape.weight(f"{name}.bias", weights(f"{name}.bias", (outputs,)))
    return tape.op("Add", product, bias)


def _layer_norm(
    tape: GraphTape, shape: BertShape, weights: Weights, name: str, value: ir.Value
) -> ir.Value:
    scale = tape.weight(f"{name}.weight", weights(f"{name}.weight", (shape.hidden,)))
    bias = tape.weight(f"{name}.bias", weights(f"{name}.bias", (shape.hidden,)))
    return tape.op(
        "LayerNormalization",
        value,
        scale,
        bias,
        attributes={"axis": -1, "epsilon": shape.norm_eps},
    )
