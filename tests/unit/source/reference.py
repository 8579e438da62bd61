"""Arithmetic in plain numpy that the reference models share, written from the papers.

Weights are those of the Hugging Face file: linear matrices ``(outputs, inputs)``.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = Mapping[str, Floats]
Config = Mapping[str, object]


def linear(weights: Weights, name: str, x: Floats) -> Floats:
    """With a bias where the file has one."""
    return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", np.zeros(1))


def layer_norm(weights: Weights, name: str, x: Floats, eps: float) -> Floats:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def rms_norm(weights: Weights, name: str, x: Floats, eps: float) -> Floats:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weights[f"{name}.weight"]


def split(x: Floats, heads: int) -> Floats:
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def join(x: Floats) -> Floats:
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def softmax(x: Floats) -> Floats:
    grown = np.exp(x - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def attention(q: Floats, k: Floats, v: Floats, *, causal: bool) -> Floats:
    """Heads ``(heads, tokens, head_dim)``; keys and values are repeated for grouped queries."""
    k, v = (np.repeat(value, len(q) // len(k), axis=0) for value in (k, v))
    scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
    if causal:
        scores = scores + np.triu(np.full(scores.shape[1:], -np.inf), 1)
    return join(softmax(scores) @ v)


def activation(name: str, x: Floats) -> Floats:
    """By its name in config.json."""
    if name == "gelu":
        return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    if name in ("gelu_new", "gelu_pytorch_tanh"):
        return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return {"relu": np.maximum(x, 0), "silu": x / (1 + np.exp(-x))}[name]
