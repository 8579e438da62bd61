"""Typed, checked access to a model's config.json."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from extbuild.errors import SourceError


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The parsed file and its path, which every error names.

    A key read with a default may be absent; one read without must be there. ``aliases`` are what
    this family calls keys that others agree on: ``{"hidden_size": "n_embd"}``.
    """

    place: str
    values: Mapping[str, object]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def whole(self, key: str, *, least: int = 1, default: int | None = None) -> int:
        """A whole number of at least ``least``."""
        value = self._value(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.wrong(key, f"must be a whole number of at least {least}", value)
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A positive number."""
        value = self._value(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise self.wrong(key, "must be a positive number", value)
        return float(value)

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        value = self._value(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "must be text", value)
        return value

    def one_of(self, key: str, known: Collection[str], default: str | None = None) -> str:
        """One of the texts that are known."""
        value = self.text(key, default)
        if value not in known:
            raise self.wrong(
                key, f"must be one of {', '.join(known)}", value, "export the model as model.onnx"
            )
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false", value)
        return value

    def block(self, key: str) -> "ModelConfig":
        """A nested object; empty where the key is absent or null."""
        value = self._value(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "must be an object", value)
        return ModelConfig(f"{self.place}: {key}", value)

    def labels(self) -> tuple[str, ...]:
        """Names of the logits in order, from ``id2label``, whose keys are "0" .. "n - 1"."""
        names = self.block("id2label").values
        wanted = [str(index) for index in range(len(names))]
        if not names or sorted(names, key=str) != sorted(wanted):
            raise self.wrong("id2label", 'must name every logit as {"0": ..., "1": ...}', names)
        labels = tuple(str(names[key]) for key in wanted)
        if len(set(labels)) != len(labels):
            raise self.wrong("id2label", "must not name two logits alike", list(labels))
        return labels

    def wrong(self, key: str, rule: str, value: object, do: str = "") -> SourceError:
        """The error for one key."""
        found = "nothing" if value is None else json.dumps(value, default=str)
        return SourceError(f"{self.place}: {self._own(key)}", rule, found=found, do=do)

    def common(self) -> dict[str, object]:
        """All values, under common names too where a family has names of its own.

        RoBERTa's positions begin behind the pad's id, so that many fewer tokens have one.
        """
        found = {key: self.values.get(own) for key, own in self.aliases.items()}
        known = {**self.values, **{key: value for key, value in found.items() if value is not None}}
        if known.get("model_type") == "roberta":
            key = "max_position_embeddings"
            known[key] = self.whole(key) - self.whole("pad_token_id", least=0, default=1) - 1
        return known

    def _own(self, key: str) -> str:
        """The family's name of a key, unless the file has the common one."""
        return key if key in self.values else self.aliases.get(key, key)

    def _value(self, key: str, default: object) -> object:
        value = self.values.get(self._own(key))
        return default if value is None else value


ALIASES: Mapping[str, Mapping[str, str]] = {
    "distilbert": {
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
    },
    "gpt2": {
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "max_position_embeddings": "n_positions",
        "intermediate_size": "n_inner",
        "hidden_act": "activation_function",
    },
}
"""By ``model_type``: the families whose config.json has names of its own."""


def parse_config(file: Path, content: bytes) -> ModelConfig:
    """Parse config.json; it must be a JSON object."""
    try:
        values = json.loads(content)
    except ValueError as error:
        raise SourceError(str(file), f"is not JSON ({error})", do="restore the file") from error
    if not isinstance(values, dict):
        raise SourceError(str(file), "must be a JSON object", found=type(values).__name__)
    return ModelConfig(str(file), values, ALIASES.get(str(values.get("model_type")), {}))
