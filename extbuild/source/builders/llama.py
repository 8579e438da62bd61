"""Llama (Touvron et al. 2023) and its kin: SmolLM2, Qwen2 (2024), Qwen3 (2025).

Pre-norm layers with RMS norm, rotary positions, grouped queries and a gated feed-forward. The kin
differ in which linear maps have a bias and in whether queries and keys are normalised.
"""

from dataclasses import dataclass

import onnx_ir as ir

from extbuild.source.builders.decoder import Decoder, DecoderShape
from extbuild.source.builders.layers import activate, linear, rms_norm
from extbuild.source.builders.rotary import Rotary, RotaryShape
from extbuild.source.builders.tape import Weights


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """``sizes``, and what the kin differ in. ``activation`` is a value of ACTIVATIONS.

    ``qk_norm``: an RMS norm over each head of queries and keys before they are turned.
    """

    sizes: DecoderShape
    rotary: RotaryShape
    activation: str = "silu"
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False


def build_llama(shape: LlamaShape, weights: Weights) -> ir.Model:
    """The graph of a ``LlamaForCausalLM``, ``Qwen2ForCausalLM`` or ``Qwen3ForCausalLM``."""
    decoder = Decoder(shape.sizes, weights, "model.embed_tokens.weight")
    hidden = decoder.lookup()
    rotary = Rotary(decoder, shape.rotary)
    decoder.mask()
    for layer in range(shape.sizes.layers):
        hidden = _layer(decoder, rotary, shape, f"model.layers.{layer}", hidden)
    return decoder.finish(_norm(decoder, "model.norm", decoder.wanted(hidden)))


def _layer(
    decoder: Decoder, rotary: Rotary, shape: LlamaShape, prefix: str, hidden: ir.Value
) -> ir.Value:
    """Attention and feed-forward, each behind a norm and added to what came in."""
    tape = decoder.tape
    tape.scope(prefix.removeprefix("model."))
    normed = _norm(decoder, f"{prefix}.input_layernorm", hidden)
    mixed = _attention(decoder, rotary, shape, f"{prefix}.self_attn", normed)
    hidden = tape.op("Add", hidden, mixed)
    normed = _norm(decoder, f"{prefix}.post_attention_layernorm", hidden)
    return tape.op("Add", hidden, _feed_forward(decoder, shape, f"{prefix}.mlp", normed))


def _attention(
    decoder: Decoder, rotary: Rotary, shape: LlamaShape, prefix: str, hidden: ir.Value
) -> ir.Value:
    sizes = shape.sizes

    def project(name: str, heads: int, norm: str | None) -> ir.Value:
        outputs = heads * sizes.head_dim
        bias = shape.qkv_bias
        flat = _linear(decoder, f"{prefix}.{name}", hidden, sizes.hidden, outputs, bias)
        split = decoder.split(flat, heads)
        if norm is not None and shape.qk_norm:
            split = _norm(decoder, f"{prefix}.{norm}", split, sizes.head_dim)
        return decoder.heads_first(split)

    query = decoder.scaled(rotary.turn(project("q_proj", sizes.heads, "q_norm")))
    keys = decoder.append(rotary.turn(project("k_proj", sizes.kv_heads, "k_norm")))
    values = decoder.append(project("v_proj", sizes.kv_heads, None))
    mixed = decoder.attend(query, keys, values)
    bias = shape.output_bias
    return _linear(decoder, f"{prefix}.o_proj", mixed, sizes.width, sizes.hidden, bias)


def _feed_forward(decoder: Decoder, shape: LlamaShape, prefix: str, value: ir.Value) -> ir.Value:
    """``down(act(gate(x)) * up(x))`` (Shazeer 2020)."""
    outer, inner, bias = shape.sizes.hidden, shape.sizes.intermediate, shape.mlp_bias
    gate = _linear(decoder, f"{prefix}.gate_proj", value, outer, inner, bias)
    up = _linear(decoder, f"{prefix}.up_proj", value, outer, inner, bias)
    gated = decoder.tape.op("Mul", activate(decoder.tape, shape.activation, gate), up)
    return _linear(decoder, f"{prefix}.down_proj", gated, inner, outer, bias)


def _linear(
    decoder: Decoder, name: str, value: ir.Value, inputs: int, outputs: int, bias: bool
) -> ir.Value:
    return linear(decoder.tape, decoder.weights, name, value, inputs, outputs, bias=bias)


def _norm(decoder: Decoder, name: str, value: ir.Value, size: int | None = None) -> ir.Value:
    """RMS norm over the last axis, which is the hidden state unless ``size`` is given."""
    sizes = decoder.shape
    return rms_norm(
        decoder.tape, decoder.weights, name, value, size or sizes.hidden, sizes.norm_eps
    )
