"""From hidden states to one vector a text (Reimers & Gurevych 2019, Sentence-BERT).

Output ``embeddings`` float32 ``(batch, hidden)``.
"""

from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from extbuild.source.builders.encoder import Encoder

LEAST_COUNT = 1e-9
LEAST_LENGTH = 1e-12
"""What sentence-transformers divides by where a text has no token, or a vector no length."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """``mean`` over the tokens that the mask keeps, or the ``first``; ``unit``: then length 1."""

    mode: Literal["mean", "first"] = "mean"
    unit: bool = False


def pool(encoder: Encoder, pooling: Pooling) -> ir.Model:
    """The model of an encoder whose output is its pooled hidden states."""
    tape = encoder.tape
    tape.scope("pooling")
    pooled = encoder.first() if pooling.mode == "first" else _mean(encoder)
    if pooling.unit:
        length = tape.op("ReduceL2", pooled, tape.ints(-1), attributes={"keepdims": 1})
        pooled = tape.op("Div", pooled, tape.op("Max", length, tape.scalar(LEAST_LENGTH)))
    return encoder.finish(pooled, "embeddings", encoder.shape.hidden)


def _mean(encoder: Encoder) -> ir.Value:
    """``sum(hidden * mask) / sum(mask)`` over the tokens of a text."""
    tape = encoder.tape
    kept = tape.op("Cast", encoder.mask, attributes={"to": int(ir.DataType.FLOAT)})
    wide = tape.op("Unsqueeze", kept, tape.ints(2))
    total = tape.op(
        "ReduceSum", tape.op("Mul", encoder.hidden, wide), tape.ints(1), attributes={"keepdims": 0}
    )
    count = tape.op("ReduceSum", wide, tape.ints(1), attributes={"keepdims": 0})
    return tape.op("Div", total, tape.op("Max", count, tape.scalar(LEAST_COUNT)))
