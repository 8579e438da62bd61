"""Rotary positions as config.json describes them: base, share of the head, and scaling.

Two forms are read. Up to transformers 4: ``rope_theta``, ``partial_rotary_factor`` and
``rope_scaling`` side by side; from 5 on, one object ``rope_parameters`` with all of them.

``partial_rotary_factor`` turns that share of each head, its first columns, and leaves the others;
the Llama of transformers itself has no use for the key.

With d turned columns and the base b, pair i turns by f(i) = b^(-2i/d) radians a position. Types:

- ``default``: f as it is.
- ``linear``: f / factor (Chen et al. 2023, "Extending context window ... via positional
  interpolation").
- ``dynamic``: the base grows with the length of a text, but only beyond max_position_embeddings,
  which is the longest text that a recipe may allow; up to there it is f, exactly.
- ``llama3``: waves longer than the trained context are slowed by ``factor``, short ones are kept,
  and those between are blended (Llama 3.1).
- ``yarn``: likewise, the bounds given in turns over the trained context; cos and sin are also
  multiplied by the attention factor (Peng et al. 2023, equations 17 to 23).
"""

import math

import numpy as np
from numpy.typing import NDArray

from extbuild.source.builders.rotary import RotaryShape
from extbuild.source.config_json import ModelConfig

Float64 = NDArray[np.float64]
TYPES = ("default", "linear", "dynamic", "llama3", "yarn")


def read_rotary(config: ModelConfig, head_dim: int) -> RotaryShape:
    """The frequencies for heads of ``head_dim`` columns; SourceError for a scaling unknown here."""
    block = _block(config)
    base = _either(block, config, "rope_theta", 10000.0)
    if base <= 1:
        raise config.wrong("rope_theta", "must be more than 1", base)
    share = _either(block, config, "partial_rotary_factor", 1.0)
    if head_dim % 2:
        raise config.wrong("head_dim", "must be even for rotary positions", head_dim)
    columns = int(head_dim * share)
    if share > 1 or columns < 2 or columns % 2:
        raise config.wrong(
            "partial_rotary_factor", f"must turn an even number of the {head_dim} columns", share
        )
    plain = base ** -(np.arange(0, columns, 2, dtype=np.float64) / columns)
    kind = block.one_of("rope_type", TYPES, block.text("type", "default"))
    multiplier = 1.0
    if kind == "linear":
        plain = plain / block.number("factor")
    elif kind == "dynamic":
        _check_dynamic(block, config)
    elif kind == "llama3":
        plain = _llama3(block, plain)
    elif kind == "yarn":
        plain = _yarn(block, config, plain, base, columns)
        multiplier = _attention_factor(block)
    return RotaryShape(tuple(float(value) for value in plain), multiplier)


def _block(config: ModelConfig) -> ModelConfig:
    """The object that holds the type: ``rope_parameters`` or ``rope_scaling``."""
    new, old = config.values.get("rope_parameters"), config.values.get("rope_scaling")
    if new is not None and old is not None and new != old:
        raise config.wrong("rope_scaling", "must agree with rope_parameters", old, "keep one")
    block = config.block("rope_scaling" if new is None else "rope_parameters")
    for key, value in block.values.items():
        if isinstance(value, dict):
            raise block.wrong(key, "must be a value: all layers turn alike here", value)
    return block


def _either(block: ModelConfig, config: ModelConfig, key: str, default: float) -> float:
    """A number of the block, or of config.json itself, where the older form has it."""
    return block.number(key, config.number(key, default))


def _check_dynamic(block: ModelConfig, config: ModelConfig) -> None:
    block.number("factor")
    longest = config.whole("max_position_embeddings")
    trained = block.whole("original_max_position_embeddings", default=longest)
    if trained != longest:
        raise block.wrong(
            "original_max_position_embeddings",
            f"must be max_position_embeddings {longest}: longer texts have other frequencies",
            trained,
            "lower max_position_embeddings",
        )


def _llama3(block: ModelConfig, plain: Float64) -> Float64:
    factor = block.number("factor")
    low, high = block.number("low_freq_factor"), block.number("high_freq_factor")
    if high <= low:
        raise block.wrong("high_freq_factor", f"must be more than low_freq_factor {low}", high)
    trained = block.whole("original_max_position_embeddings")
    turns = trained * plain / (2 * math.pi)
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return kept * plain + (1 - kept) * plain / factor


def _yarn(
    block: ModelConfig, config: ModelConfig, plain: Float64, base: float, columns: int
) -> Float64:
    """Pairs up to ``low`` are kept, from ``high`` on slowed, and blended between the two."""
    factor = block.number("factor")
    trained = block.values.get("original_max_position_embeddings")
    owner = config if trained is None else block
    key = "max_position_embeddings" if trained is None else "original_max_position_embeddings"
    length = owner.whole(key)

    def pair_of(turns: float) -> float:
        """The pair, as a real number, that turns this often over the trained context."""
        return columns * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(base))

    low, high = pair_of(block.number("beta_fast", 32.0)), pair_of(block.number("beta_slow", 1.0))
    if block.flag("truncate", default=True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, columns - 1)
    # The reference widens an empty range by 0.001 rather than divide by zero.
    width = high - low or 0.001
    slowed: Float64 = np.clip((np.arange(len(plain)) - low) / width, 0, 1)
    return slowed * plain / factor + (1 - slowed) * plain


def _attention_factor(block: ModelConfig) -> float:
    """As given, or 0.1 ln(factor) + 1; DeepSeek's two weights of it make a quotient."""
    if block.values.get("attention_factor") is not None:
        return block.number("attention_factor")
    factor = block.number("factor")

    def scale(weight: float) -> float:
        return 0.1 * weight * math.log(factor) + 1 if factor > 1 else 1.0

    if block.values.get("mscale") and block.values.get("mscale_all_dim"):
        return scale(block.number("mscale")) / scale(block.number("mscale_all_dim"))
    return scale(1.0)
