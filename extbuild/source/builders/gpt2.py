"""GPT-2 (Radford et al. 2019): learned positions, layer norms, one matrix for query, key, value.

The file stores linear weights ``(inputs, outputs)``. Its fused matrix ``c_attn`` becomes three, as
in the other decoders: quantisers and engines see one form, and fuse as they see fit.
"""

from dataclasses import dataclass

import onnx_ir as ir

from extbuild.source.builders.decoder import Decoder, DecoderShape
from extbuild.source.builders.layers import activate, affine, layer_norm
from extbuild.source.builders.tape import Weights


@dataclass(frozen=True, slots=True)
class Gpt2Shape:
    """``root``: what tensor names begin with, "" or "transformer."; ``activation``: ACTIVATIONS."""

    sizes: DecoderShape
    max_positions: int
    activation: str
    root: str


def build_gpt2(shape: Gpt2Shape, weights: Weights) -> ir.Model:
    """The graph of a ``GPT2LMHeadModel``."""
    sizes, root = shape.sizes, shape.root
    decoder = Decoder(sizes, weights, f"{root}wte.weight")
    tape = decoder.tape
    name = f"{root}wpe.weight"
    places = tape.weight(name, weights(name, (shape.max_positions, sizes.hidden)))
    tokens = decoder.lookup()
    hidden = tape.op("Add", tokens, tape.op("Gather", places, decoder.positions))
    decoder.mask()
    for layer in range(sizes.layers):
        hidden = _layer(decoder, shape, f"{root}h.{layer}", hidden)
    return decoder.finish(_norm(decoder, f"{root}ln_f", decoder.wanted(hidden)))


def _layer(decoder: Decoder, shape: Gpt2Shape, prefix: str, hidden: ir.Value) -> ir.Value:
    """Attention and feed-forward, each behind a norm and added to what came in."""
    tape, sizes = decoder.tape, shape.sizes
    tape.scope(prefix.removeprefix(shape.root))
    normed = _norm(decoder, f"{prefix}.ln_1", hidden)
    hidden = tape.op("Add", hidden, _attention(decoder, f"{prefix}.attn", normed))
    normed = _norm(decoder, f"{prefix}.ln_2", hidden)
    outer, inner = sizes.hidden, sizes.intermediate
    grown = _linear(decoder, f"{prefix}.mlp.c_fc", normed, outer, inner)
    grown = activate(tape, shape.activation, grown)
    return tape.op("Add", hidden, _linear(decoder, f"{prefix}.mlp.c_proj", grown, inner, outer))


def _attention(decoder: Decoder, prefix: str, hidden: ir.Value) -> ir.Value:
    tape, sizes, weights = decoder.tape, decoder.shape, decoder.weights
    size = sizes.hidden
    matrix = weights(f"{prefix}.c_attn.weight", (size, 3 * size))
    shift = weights(f"{prefix}.c_attn.bias", (3 * size,))

    def project(index: int, name: str) -> ir.Value:
        part = slice(index * size, (index + 1) * size)
        own = f"{prefix}.c_attn.{name}"
        flat = affine(tape, own, hidden, matrix[:, part], shift[part])
        return decoder.heads_first(decoder.split(flat, sizes.heads))

    query = decoder.scaled(project(0, "query"))
    keys = decoder.append(project(1, "key"))
    values = decoder.append(project(2, "value"))
    mixed = decoder.attend(query, keys, values)
    return _linear(decoder, f"{prefix}.c_proj", mixed, size, size)


def _linear(decoder: Decoder, name: str, value: ir.Value, inputs: int, outputs: int) -> ir.Value:
    matrix = decoder.weights(f"{name}.weight", (inputs, outputs))
    return affine(decoder.tape, name, value, matrix, decoder.weights(f"{name}.bias", (outputs,)))


def _norm(decoder: Decoder, name: str, value: ir.Value) -> ir.Value:
    sizes = decoder.shape
    return layer_norm(decoder.tape, decoder.weights, name, value, sizes.hidden, sizes.norm_eps)
