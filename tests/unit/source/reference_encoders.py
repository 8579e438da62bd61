"""BERT, RoBERTa and DistilBERT in plain numpy, for one text without padding."""

import numpy as np

from tests.unit.source.reference import (
    Config,
    Floats,
    Weights,
    activation,
    attention,
    layer_norm,
    linear,
    split,
)


def bert_states(
    config: Config, weights: Weights, ids: list[int], root: str, first: int = 0
) -> Floats:
    """Hidden states ``(tokens, hidden)``; the first token has the position ``first``."""
    heads, eps = config["num_attention_heads"], config["layer_norm_eps"]
    embeddings = f"{root}embeddings"
    x = weights[f"{embeddings}.word_embeddings.weight"][ids]
    x = x + weights[f"{embeddings}.position_embeddings.weight"][first : first + len(ids)]
    x = x + weights[f"{embeddings}.token_type_embeddings.weight"][0]
    x = layer_norm(weights, f"{embeddings}.LayerNorm", x, eps)
    for index in range(config["num_hidden_layers"]):
        layer = f"{root}encoder.layer.{index}"
        own = f"{layer}.attention"
        q, k, v = (
            split(linear(weights, f"{own}.self.{name}", x), heads)
            for name in ("query", "key", "value")
        )
        mixed = linear(weights, f"{own}.output.dense", attention(q, k, v, causal=False))
        x = layer_norm(weights, f"{own}.output.LayerNorm", x + mixed, eps)
        inner = linear(weights, f"{layer}.intermediate.dense", x)
        inner = activation(config["hidden_act"], inner)
        outer = linear(weights, f"{layer}.output.dense", inner)
        x = layer_norm(weights, f"{layer}.output.LayerNorm", x + outer, eps)
    return x


def distilbert_states(config: Config, weights: Weights, ids: list[int], root: str) -> Floats:
    """Hidden states ``(tokens, hidden)``."""
    embeddings = f"{root}embeddings"
    x = weights[f"{embeddings}.word_embeddings.weight"][ids]
    x = x + weights[f"{embeddings}.position_embeddings.weight"][: len(ids)]
    x = layer_norm(weights, f"{embeddings}.LayerNorm", x, 1e-12)
    for index in range(config["n_layers"]):
        layer = f"{root}transformer.layer.{index}"
        q, k, v = (
            split(linear(weights, f"{layer}.attention.{name}_lin", x), config["n_heads"])
            for name in "qkv"
        )
        mixed = linear(weights, f"{layer}.attention.out_lin", attention(q, k, v, causal=False))
        x = layer_norm(weights, f"{layer}.sa_layer_norm", x + mixed, 1e-12)
        inner = activation(config["activation"], linear(weights, f"{layer}.ffn.lin1", x))
        outer = linear(weights, f"{layer}.ffn.lin2", inner)
        x = layer_norm(weights, f"{layer}.output_layer_norm", x + outer, 1e-12)
    return x


def bert(config: Config, weights: Weights, ids: list[int]) -> Floats:
    """Logits ``(labels,)``."""
    first = bert_states(config, weights, ids, "bert.")[:1]
    return linear(weights, "classifier", np.tanh(linear(weights, "bert.pooler.dense", first)))[0]


def roberta(config: Config, weights: Weights, ids: list[int]) -> Floats:
    """Logits ``(labels,)``."""
    first = bert_states(config, weights, ids, "roberta.", config["pad_token_id"] + 1)[:1]
    inner = np.tanh(linear(weights, "classifier.dense", first))
    return linear(weights, "classifier.out_proj", inner)[0]


def distilbert(config: Config, weights: Weights, ids: list[int]) -> Floats:
    """Logits ``(labels,)``."""
    first = distilbert_states(config, weights, ids, "distilbert.")[:1]
    inner = np.maximum(linear(weights, "pre_classifier", first), 0)
    return linear(weights, "classifier", inner)[0]


def unit_mean(states: Floats) -> Floats:
    """The mean of the tokens, of length 1."""
    mean = states.mean(0)
    return mean / np.sqrt((mean**2).sum())
