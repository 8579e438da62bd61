"""BERT and Llama in plain numpy, written from the papers: what the graphs are compared with.

Weights are those of the Hugging Face file: linear matrices ``(outputs, inputs)``.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = Mapping[str, Floats]


def bert_logits(weights: Weights, ids: list[int], layers: int, heads: int) -> Floats:
    """Logits ``(labels,)`` of one text without padding."""
    embeddings = "bert.embeddings"
    x = weights[f"{embeddings}.word_embeddings.weight"][ids]
    x = x + weights[f"{embeddings}.position_embeddings.weight"][: len(ids)]
    x = x + weights[f"{embeddings}.token_type_embeddings.weight"][0]
    x = _layer_norm(weights, f"{embeddings}.LayerNorm", x)
    for index in range(layers):
        layer = f"bert.encoder.layer.{index}"
        attention = f"{layer}.attention"
        q, k, v = (
            _split(_linear(weights, f"{attention}.self.{name}", x), heads)
            for name in ("query", "key", "value")
        )
        mixed = _join(_softmax(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])) @ v)
        x = _layer_norm(
            weights,
            f"{attention}.output.LayerNorm",
            x + _linear(weights, f"{attention}.output.dense", mixed),
        )
        inner = _gelu(_linear(weights, f"{layer}.intermediate.dense", x))
        x = _layer_norm(
            weights,
            f"{layer}.output.LayerNorm",
            x + _linear(weights, f"{layer}.output.dense", inner),
        )
    pooled = np.tanh(_linear(weights, "bert.pooler.dense", x[:1]))
    return _linear(weights, "classifier", pooled)[0]


def llama_logits(
    weights: Weights,
    ids: list[int],
    layers: int,
    heads: int,
    kv_heads: int,
    theta: float,
    eps: float,
) -> Floats:
    """Logits ``(len(ids), vocab)`` of one text; the head is the embedding table."""
    table = weights["model.embed_tokens.weight"]
    x = table[ids]
    later = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for index in range(layers):
        layer = f"model.layers.{index}"
        normed = _rms_norm(x, weights[f"{layer}.input_layernorm.weight"], eps)
        attention = f"{layer}.self_attn"
        q = _rotary(_split(normed @ weights[f"{attention}.q_proj.weight"].T, heads), theta)
        k = _rotary(_split(normed @ weights[f"{attention}.k_proj.weight"].T, kv_heads), theta)
        v = _split(normed @ weights[f"{attention}.v_proj.weight"].T, kv_heads)
        k, v = (np.repeat(value, heads // kv_heads, axis=0) for value in (k, v))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1]) + later
        x = x + _join(_softmax(scores) @ v) @ weights[f"{attention}.o_proj.weight"].T
        normed = _rms_norm(x, weights[f"{layer}.post_attention_layernorm.weight"], eps)
        gate = normed @ weights[f"{layer}.mlp.gate_proj.weight"].T
        up = normed @ weights[f"{layer}.mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[f"{layer}.mlp.down_proj.weight"].T
    return _rms_norm(x, weights["model.norm.weight"], eps) @ table.T


def _linear(weights: Weights, name: str, x: Floats) -> Floats:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _layer_norm(weights: Weights, name: str, x: Floats) -> Floats:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _rms_norm(x: Floats, weight: Floats, eps: float) -> Floats:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight


def _split(x: Floats, heads: int) -> Floats:
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def _join(x: Floats) -> Floats:
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def _softmax(x: Floats) -> Floats:
    grown = np.exp(x - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def _gelu(x: Floats) -> Floats:
    return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def _rotary(x: Floats, theta: float) -> Floats:
    """Pairs ``(i, i + half)`` turn by ``position * theta^(-i / half)``."""
    half = x.shape[-1] // 2
    angle = np.outer(np.arange(x.shape[1]), theta ** -(np.arange(half) / half))
    first, second = x[..., :half], x[..., half:]
    return np.concatenate(
        [
            first * np.cos(angle) - second * np.sin(angle),
            second * np.cos(angle) + first * np.sin(angle),
        ],
        axis=-1,
    )
