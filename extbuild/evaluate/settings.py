"""What an evaluation needs to know besides the model: the same values that runtime.json holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import overload

from extbuild.config.recipe import CompletionPolicy, ModerationPolicy
from extbuild.config.runtime import CompletionRuntime, ModerationRuntime
from extbuild.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ModerationSettings:
    """See :class:`~extbuild.config.runtime.ModerationRuntime`, field by field."""

    labels: tuple[str, ...]
    thresholds: Mapping[str, float]
    max_tokens: int
    batch_tokens: int
    pad_id: int


@dataclass(frozen=True, slots=True)
class CompletionSettings:
    """See :class:`~extbuild.config.runtime.CompletionRuntime`, field by field."""

    layers: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    bos_id: int
    eos_id: int
    context_tokens: int
    max_new_tokens: int
    max_words: int
    min_confidence: float


Settings = ModerationSettings | CompletionSettings

MARGIN_TOKENS = 132
"""A word that is healed comes on top of the prompt: at most 33 characters of 4 bytes each."""


def moderation_settings(
    config: Mapping[str, object], tokenizer_json: bytes, policy: ModerationPolicy
) -> ModerationSettings:
    """From a classifier's config.json and its recipe's policy; ConfigError if they disagree."""
    names = config.get("id2label")
    if not isinstance(names, dict) or not names:
        raise ConfigError("config.json: id2label", "must name every logit", found=repr(names))
    labels = tuple(str(names[key]) for key in sorted(names, key=int))
    if set(policy.thresholds) != set(labels):
        raise ConfigError(
            "recipe.toml: moderation.thresholds",
            f"must have one threshold for each label {', '.join(labels)}",
            found=", ".join(policy.thresholds) or "none",
        )
    _require_positions(config, "moderation.max_tokens", policy.max_tokens)
    return ModerationSettings(
        labels=labels,
        thresholds={label: policy.thresholds[label] for label in labels},
        max_tokens=policy.max_tokens,
        batch_tokens=policy.batch_tokens,
        pad_id=_pad_id(config, tokenizer_json),
    )


def completion_settings(
    config: Mapping[str, object], tokenizer_json: bytes, policy: CompletionPolicy
) -> CompletionSettings:
    """From a decoder's config.json and its recipe's policy; ConfigError if they disagree.

    ``tokenizer_json`` is read by whoever makes the vocabulary; here it is only part of the pair.
    """
    _require_positions(config, "completion.context_tokens", policy.context_tokens)
    if policy.max_new_tokens >= policy.context_tokens:
        raise ConfigError(
            "recipe.toml: completion.max_new_tokens",
            f"must be less than context_tokens {policy.context_tokens}",
            found=str(policy.max_new_tokens),
        )
    heads, hidden = _whole(config, "num_attention_heads"), _whole(config, "hidden_size")
    return CompletionSettings(
        layers=_whole(config, "num_hidden_layers"),
        kv_heads=_whole(config, "num_key_value_heads", heads),
        head_dim=_whole(config, "head_dim", hidden // max(heads, 1)),
        vocab_size=_whole(config, "vocab_size"),
        bos_id=_whole(config, "bos_token_id"),
        eos_id=_whole(config, "eos_token_id"),
        context_tokens=policy.context_tokens,
        max_new_tokens=policy.max_new_tokens,
        max_words=policy.max_words,
        min_confidence=policy.min_confidence,
    )


@overload
def settings_from_runtime(runtime: ModerationRuntime) -> ModerationSettings: ...
@overload
def settings_from_runtime(runtime: CompletionRuntime) -> CompletionSettings: ...
def settings_from_runtime(runtime: ModerationRuntime | CompletionRuntime) -> Settings:
    """The settings of a model as it was packed."""
    values = {name: value for name, value in runtime if name not in ("files", "webgpu")}
    if isinstance(runtime, ModerationRuntime):
        return ModerationSettings(**values)
    return CompletionSettings(**values)


def _require_positions(config: Mapping[str, object], key: str, wanted: int) -> None:
    most = _whole(config, "max_position_embeddings", wanted)
    if wanted > most:
        raise ConfigError(
            f"recipe.toml: {key}",
            f"must be at most {most}, the model's max_position_embeddings",
            found=str(wanted),
        )


def _whole(config: Mapping[str, object], key: str, default: int | None = None) -> int:
    value = config.get(key)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigError(f"config.json: {key}", "must be a whole number", found=repr(value))
    return value


def _pad_id(config: Mapping[str, object], tokenizer_json: bytes) -> int:
    """From config.json, else the token ``[PAD]`` or ``<pad>``, else 0: padding is masked anyway."""
    if config.get("pad_token_id") is not None:
        return _whole(config, "pad_token_id")
    added = json.loads(tokenizer_json).get("added_tokens", [])
    ids = [int(token["id"]) for token in added if token.get("content") in ("[PAD]", "<pad>")]
    return ids[0] if ids else 0
