"""What causal decoders share: inputs, mask, key/value cache, grouped attention, output head.

Inputs: ``input_ids`` and ``position_ids`` int64 ``(batch, seq)``; ``logits_index`` int64 ``(n,)``,
the positions along ``seq`` whose logits are wanted; per layer ``past_key_values.<i>.key`` and
``.value`` float32 ``(batch, kv_heads, past, head_dim)``, with ``past`` 0 at first.
Outputs: ``logits`` float32 ``(batch, n, vocab)`` and ``present.<i>.key``/``.value`` of shape
``(batch, kv_heads, past + seq, head_dim)``.

The causal mask is made from ``position_ids``: cache slot ``j`` holds position ``j``, so texts of a
batch are padded on the right and a real token never sees a pad.
"""

from dataclasses import dataclass

import onnx_ir as ir

from extbuild.source.builders.tape import MASKED, GraphTape, Weights, graph_input, name_output


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """Sizes that every decoder has, in config.json's terms; ``kv_heads`` divides ``heads``.

    ``tied``: the output head is the embedding table.
    """

    vocab_size: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    norm_eps: float
    tied: bool

    @property
    def group(self) -> int:
        """Query heads per key/value head (Ainslie et al. 2023)."""
        return self.heads // self.kv_heads

    @property
    def width(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_dim


class Decoder:
    """A decoder under construction: its tape, its inputs, and the cache that grows by layers.

    ``table`` float32 ``(vocab, hidden)`` is the embedding of the tokens.
    """

    def __init__(self, shape: DecoderShape, weights: Weights, table: str) -> None:
        self.tape = GraphTape()
        self.shape, self.weights = shape, weights
        self.ids = graph_input("input_ids", ir.DataType.INT64, ("batch", "seq"))
        self.positions = graph_input("position_ids", ir.DataType.INT64, ("batch", "seq"))
        self._index = graph_input("logits_index", ir.DataType.INT64, ("n",))
        self._past = [
            graph_input(
                f"past_key_values.{layer}.{kind}",
                ir.DataType.FLOAT,
                ("batch", shape.kv_heads, "past", shape.head_dim),
            )
            for layer in range(shape.layers)
            for kind in ("key", "value")
        ]
        self._present: list[ir.Value] = []
        self._mask: ir.Value | None = None
        self.table = self.tape.weight(table, weights(table, (shape.vocab_size, shape.hidden)))

    def lookup(self) -> ir.Value:
        """Embeddings of the tokens: ``(batch, seq, hidden)``."""
        self.tape.scope("embed_tokens")
        return self.tape.op("Gather", self.table, self.ids)

    def split(self, flat: ir.Value, heads: int) -> ir.Value:
        """``(batch, seq, heads * head_dim)`` as ``(batch, seq, heads, head_dim)``."""
        return self.tape.op("Reshape", flat, self.tape.ints(0, 0, heads, self.shape.head_dim))

    def heads_first(self, value: ir.Value) -> ir.Value:
        """``(batch, seq, heads, head_dim)`` as ``(batch, heads, seq, head_dim)``."""
        return self.tape.op("Transpose", value, attributes={"perm": (0, 2, 1, 3)})

    def mask(self) -> None:
        """Make the mask ``(batch, 1, 1, seq, past + seq)`` that every layer adds to its scores."""
        tape = self.tape
        tape.scope("mask")
        past = tape.op("Shape", self._past[0], attributes={"start": 2, "end": 3})
        seq = tape.op("Shape", self.positions, attributes={"start": 1, "end": 2})
        total = tape.op("Squeeze", tape.op("Add", past, seq))
        slots = tape.op("Range", tape.int_scalar(0), total, tape.int_scalar(1))
        places = tape.op("Unsqueeze", self.positions, tape.ints(1, 2, 4))
        later = tape.op("Greater", slots, places)
        self._mask = tape.op("Where", later, tape.scalar(MASKED), tape.scalar(0.0))

    def scaled(self, query: ir.Value) -> ir.Value:
        """Queries ``(batch, heads, seq, head_dim)`` with a group axis, scaled for the softmax.

        Result ``(batch, kv_heads, group, seq, head_dim)``.
        """
        tape, shape = self.tape, self.shape
        query = tape.op("Mul", query, tape.scalar(shape.head_dim**-0.5))
        # 0 and -1 of Reshape: keep batch, infer seq.
        return tape.op(
            "Reshape", query, tape.ints(0, shape.kv_heads, shape.group, -1, shape.head_dim)
        )

    def append(self, fresh: ir.Value) -> ir.Value:
        """Keys or values ``(batch, kv_heads, past + seq, head_dim)``: the cache and the new ones.

        Called in the order of the cache inputs: layer by layer, keys before values.
        """
        past = self._past[len(self._present)]
        whole = self.tape.op("Concat", past, fresh, attributes={"axis": 2})
        self._present.append(whole)
        return whole

    def attend(self, query: ir.Value, keys: ir.Value, values: ir.Value) -> ir.Value:
        """Grouped-query attention without repeating keys, heads joined: ``(batch, seq, width)``.

        Queries ``(batch, kv_heads, group, seq, head_dim)`` meet keys
        ``(batch, kv_heads, 1, head_dim, past + seq)``.
        """
        tape = self.tape
        turned = tape.op(
            "Transpose",
            tape.op("Unsqueeze", keys, tape.ints(2)),
            attributes={"perm": (0, 1, 2, 4, 3)},
        )
        scores = tape.op("Add", tape.op("MatMul", query, turned), self._mask)
        shares = tape.op("Softmax", scores, attributes={"axis": -1})
        mixed = tape.op("MatMul", shares, tape.op("Unsqueeze", values, tape.ints(2)))
        ordered = tape.op("Transpose", mixed, attributes={"perm": (0, 3, 1, 2, 4)})
        return tape.op("Reshape", ordered, tape.ints(0, 0, self.shape.width))

    def wanted(self, hidden: ir.Value) -> ir.Value:
        """The hidden states whose logits are wanted: ``(batch, n, hidden)``."""
        self.tape.scope("head")
        return self.tape.op("Gather", hidden, self._index, attributes={"axis": 1})

    def finish(self, normed: ir.Value) -> ir.Model:
        """The model; its logits are ``normed`` ``(batch, n, hidden)`` times the output head."""
        shape = self.shape
        logits = self.tape.op("MatMul", normed, self._head())
        name_output(logits, "logits", ir.DataType.FLOAT, ("batch", "n", shape.vocab_size))
        for index, value in enumerate(self._present):
            name_output(
                value,
                f"present.{index // 2}.{('key', 'value')[index % 2]}",
                ir.DataType.FLOAT,
                ("batch", shape.kv_heads, "total", shape.head_dim),
            )
        inputs = [self.ids, self.positions, self._index, *self._past]
        return self.tape.finish(inputs, [logits, *self._present])

    def _head(self) -> ir.Value:
        """The matrix ``(hidden, vocab)``: the table transposed, or a weight of its own."""
        if self.shape.tied:
            return self.tape.op("Transpose", self.table, attributes={"perm": (1, 0)})
        name, size = "lm_head.weight", (self.shape.vocab_size, self.shape.hidden)
        return self.tape.weight(name, self.weights(name, size).T)
