"""Llama, Qwen2, Qwen3 and GPT-2 in plain numpy: logits after every token of one text."""

import math

import numpy as np

from tests.unit.source.reference import (
    Config,
    Floats,
    Weights,
    activation,
    attention,
    layer_norm,
    linear,
    rms_norm,
    split,
)


def llama(config: Config, weights: Weights, ids: list[int]) -> Floats:
    """Logits ``(tokens, vocab)``; biases and norms of heads where the file has them."""
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    eps = config["rms_norm_eps"]
    table = weights["model.embed_tokens.weight"]
    x = table[ids]
    for index in range(config["num_hidden_layers"]):
        layer = f"model.layers.{index}"
        own = f"{layer}.self_attn"
        normed = rms_norm(weights, f"{layer}.input_layernorm", x, eps)
        q, k, v = (
            split(linear(weights, f"{own}.{name}_proj", normed), count)
            for name, count in (("q", heads), ("k", kv_heads), ("v", kv_heads))
        )
        if f"{own}.q_norm.weight" in weights:
            q = rms_norm(weights, f"{own}.q_norm", q, eps)
            k = rms_norm(weights, f"{own}.k_norm", k, eps)
        mixed = attention(turned(config, q), turned(config, k), v, causal=True)
        x = x + linear(weights, f"{own}.o_proj", mixed)
        normed = rms_norm(weights, f"{layer}.post_attention_layernorm", x, eps)
        gate = activation(config["hidden_act"], linear(weights, f"{layer}.mlp.gate_proj", normed))
        up = linear(weights, f"{layer}.mlp.up_proj", normed)
        x = x + linear(weights, f"{layer}.mlp.down_proj", gate * up)
    head = table if config["tie_word_embeddings"] else weights["lm_head.weight"]
    return rms_norm(weights, "model.norm", x, eps) @ head.T


def gpt2(config: Config, weights: Weights, ids: list[int]) -> Floats:
    """Logits ``(tokens, vocab)``; its matrices are stored ``(inputs, outputs)``."""
    root = "transformer." if "transformer.wte.weight" in weights else ""
    eps, heads = config["layer_norm_epsilon"], config["n_head"]

    def conv(name: str, x: Floats) -> Floats:
        return x @ weights[f"{root}{name}.weight"] + weights[f"{root}{name}.bias"]

    table = weights[f"{root}wte.weight"]
    x = table[ids] + weights[f"{root}wpe.weight"][: len(ids)]
    for index in range(config["n_layer"]):
        normed = layer_norm(weights, f"{root}h.{index}.ln_1", x, eps)
        q, k, v = (
            split(part, heads) for part in np.split(conv(f"h.{index}.attn.c_attn", normed), 3, -1)
        )
        x = x + conv(f"h.{index}.attn.c_proj", attention(q, k, v, causal=True))
        normed = layer_norm(weights, f"{root}h.{index}.ln_2", x, eps)
        inner = activation(config["activation_function"], conv(f"h.{index}.mlp.c_fc", normed))
        x = x + conv(f"h.{index}.mlp.c_proj", inner)
    head = weights.get("lm_head.weight", table)
    return layer_norm(weights, f"{root}ln_f", x, eps) @ head.T


def turned(config: Config, x: Floats) -> Floats:
    """``x`` ``(heads, tokens, head_dim)``: columns i and i + half turn by position * frequency."""
    frequencies, multiplier = rotary(config, x.shape[-1])
    result = x.copy()
    half = len(frequencies)
    for position in range(x.shape[1]):
        for pair, frequency in enumerate(frequencies):
            cos, sin = (
                multiplier * math.cos(position * frequency),
                multiplier * math.sin(position * frequency),
            )
            one, two = x[:, position, pair], x[:, position, pair + half]
            result[:, position, pair] = one * cos - two * sin
            result[:, position, pair + half] = two * cos + one * sin
    return result


def rotary(config: Config, head_dim: int) -> tuple[list[float], float]:
    """Frequency of each pair, and the multiplier of cos and sin, pair by pair from the papers."""
    block = config.get("rope_parameters") or config.get("rope_scaling") or {}
    base = block.get("rope_theta") or config["rope_theta"]
    share = block.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1
    columns = round(head_dim * share)
    plain = [1 / base ** (2 * pair / columns) for pair in range(columns // 2)]
    kind = block.get("rope_type") or block.get("type") or "default"
    if kind == "linear":
        return [frequency / block["factor"] for frequency in plain], 1.0
    if kind == "dynamic":
        longest = config["max_position_embeddings"]
        grown = block["factor"] * longest / longest - (block["factor"] - 1)
        base = base * grown ** (columns / (columns - 2))
        return [1 / base ** (2 * pair / columns) for pair in range(columns // 2)], 1.0
    if kind == "llama3":
        return [_llama3(frequency, block) for frequency in plain], 1.0
    if kind == "yarn":
        length = block.get("original_max_position_embeddings", config["max_position_embeddings"])
        low, high = (
            columns * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(base))
            for turns in (block.get("beta_fast", 32), block.get("beta_slow", 1))
        )
        low, high = max(math.floor(low), 0), min(math.ceil(high), columns - 1)
        ramps = [min(max((pair - low) / (high - low), 0), 1) for pair in range(columns // 2)]
        given = block.get("attention_factor") or 0.1 * math.log(block["factor"]) + 1
        return [
            frequency * (1 - ramp) + frequency / block["factor"] * ramp
            for frequency, ramp in zip(plain, ramps, strict=True)
        ], given
    return plain, 1.0


def _llama3(frequency: float, block: dict) -> float:
    """Three cases by the length of the wave in positions."""
    wave = 2 * math.pi / frequency
    trained = block["original_max_position_embeddings"]
    if wave < trained / block["high_freq_factor"]:
        return frequency
    if wave > trained / block["low_freq_factor"]:
        return frequency / block["factor"]
    smooth = (trained / wave - block["low_freq_factor"]) / (
        block["high_freq_factor"] - block["low_freq_factor"]
    )
    return (1 - smooth) * frequency / block["factor"] + smooth * frequency
