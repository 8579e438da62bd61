"""The post-norm encoder that BERT, RoBERTa and DistilBERT share (Devlin et al. 2018).

Inputs ``input_ids`` and ``attention_mask``, both int64 ``(batch, seq)``. Token types are 0 for
every token, so that row is added to the positions; families without token types have none.
"""

from dataclasses import dataclass

import onnx_ir as ir

from extbuild.source.builders.layers import activate, layer_norm, linear
from extbuild.source.builders.tape import MASKED, GraphTape, Weights, graph_input, name_output


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """Sizes of the encoder, in config.json's terms.

    ``activation`` is a value of ACTIVATIONS. ``token_types`` is 0 for families without them.
    The first token has position ``first_position``, which is not 0 in RoBERTa.
    """

    vocab_size: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    max_positions: int
    token_types: int
    norm_eps: float
    activation: str = "gelu"
    first_position: int = 0


@dataclass(frozen=True, slots=True)
class EncoderNames:
    """What a family calls its tensors: ``root`` + ``layer`` + "." + number + "." + the others."""

    root: str
    layer: str
    query: str
    key: str
    value: str
    mixed: str
    mixed_norm: str
    inner: str
    outer: str
    outer_norm: str


class Encoder:
    """An encoder under construction: the tape, its two inputs, and the hidden states at the end.

    ``mask`` int64 ``(batch, seq)``; ``hidden`` float32 ``(batch, seq, hidden)``.
    """

    def __init__(self, shape: EncoderShape, names: EncoderNames, weights: Weights) -> None:
        self.tape = GraphTape()
        self.shape, self.weights = shape, weights
        self._names = names
        self._ids = graph_input("input_ids", ir.DataType.INT64, ("batch", "seq"))
        self.mask = graph_input("attention_mask", ir.DataType.INT64, ("batch", "seq"))
        self.hidden = self._embeddings()
        bias = self._mask_bias()
        for index in range(shape.layers):
            self._layer(f"{names.layer}.{index}", bias)

    def linear(self, name: str, value: ir.Value, inputs: int, outputs: int) -> ir.Value:
        """``value @ W + b`` with the tensors called ``name``."""
        return linear(self.tape, self.weights, name, value, inputs, outputs)

    def first(self) -> ir.Value:
        """The hidden state of the first token, [CLS]: ``(batch, hidden)``."""
        return self.tape.op("Gather", self.hidden, self.tape.int_scalar(0), attributes={"axis": 1})

    def finish(self, output: ir.Value, name: str, width: int) -> ir.Model:
        """The model, with ``output`` float32 ``(batch, width)`` as its only output."""
        name_output(output, name, ir.DataType.FLOAT, ("batch", width))
        return self.tape.finish([self._ids, self.mask], [output])

    def _norm(self, name: str, value: ir.Value) -> ir.Value:
        shape = self.shape
        return layer_norm(self.tape, self.weights, name, value, shape.hidden, shape.norm_eps)

    def _embeddings(self) -> ir.Value:
        """Word + position + type-0 embedding, normalised: ``(batch, seq, hidden)``."""
        tape, shape = self.tape, self.shape
        prefix = f"{self._names.root}embeddings"
        tape.scope("embeddings")
        word = f"{prefix}.word_embeddings.weight"
        position = f"{prefix}.position_embeddings.weight"
        table = tape.weight(word, self.weights(word, (shape.vocab_size, shape.hidden)))
        places = self.weights(position, (shape.max_positions, shape.hidden))
        fixed = tape.weight(position, places[shape.first_position :])
        if shape.token_types:
            kind = f"{prefix}.token_type_embeddings.weight"
            types = self.weights(kind, (shape.token_types, shape.hidden))
            fixed = tape.op("Add", fixed, tape.weight(f"{kind}.0", types[0]))
        length = tape.op("Shape", self._ids, attributes={"start": 1, "end": 2})
        fixed = tape.op("Slice", fixed, tape.ints(0), length, tape.ints(0))
        summed = tape.op("Add", tape.op("Gather", table, self._ids), fixed)
        return self._norm(f"{prefix}.LayerNorm", summed)

    def _mask_bias(self) -> ir.Value:
        """0 for tokens, :data:`MASKED` for padding: ``(batch, 1, 1, seq)``."""
        tape = self.tape
        tape.scope("mask")
        wide = tape.op("Unsqueeze", self.mask, tape.ints(1, 2))
        kept = tape.op("Cast", wide, attributes={"to": int(ir.DataType.FLOAT)})
        return tape.op("Mul", tape.op("Sub", tape.scalar(1.0), kept), tape.scalar(MASKED))

    def _layer(self, prefix: str, bias: ir.Value) -> None:
        """One encoder layer: attention, residual, norm, feed-forward, residual, norm."""
        tape, shape, names = self.tape, self.shape, self._names
        root = f"{names.root}{prefix}"
        tape.scope(prefix)
        mixed = self._attention(root, bias)
        projected = self.linear(f"{root}.{names.mixed}", mixed, shape.hidden, shape.hidden)
        attended = self._norm(f"{root}.{names.mixed_norm}", tape.op("Add", projected, self.hidden))
        inner = self.linear(f"{root}.{names.inner}", attended, shape.hidden, shape.intermediate)
        outer = self.linear(
            f"{root}.{names.outer}",
            activate(tape, shape.activation, inner),
            shape.intermediate,
            shape.hidden,
        )
        self.hidden = self._norm(f"{root}.{names.outer_norm}", tape.op("Add", outer, attended))

    def _attention(self, root: str, bias: ir.Value) -> ir.Value:
        """Multi-head self-attention, heads joined again: ``(batch, seq, hidden)``."""
        tape, shape, names = self.tape, self.shape, self._names
        head = shape.hidden // shape.heads
        split = tape.ints(0, 0, shape.heads, head)

        def project(name: str, order: tuple[int, ...]) -> ir.Value:
            flat = self.linear(f"{root}.{name}", self.hidden, shape.hidden, shape.hidden)
            return tape.op("Transpose", tape.op("Reshape", flat, split), attributes={"perm": order})

        query = project(names.query, (0, 2, 1, 3))
        key = project(names.key, (0, 2, 3, 1))
        value = project(names.value, (0, 2, 1, 3))
        scores = tape.op("Mul", tape.op("MatMul", query, key), tape.scalar(head**-0.5))
        shares = tape.op("Softmax", tape.op("Add", scores, bias), attributes={"axis": -1})
        mixed = tape.op("MatMul", shares, value)
        joined = tape.op("Transpose", mixed, attributes={"perm": (0, 2, 1, 3)})
        return tape.op("Reshape", joined, tape.ints(0, 0, shape.hidden))
