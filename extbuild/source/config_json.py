"""Typed, checked access to a model's config.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from extbuild.errors import SourceError


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The parsed file and its path, which every error names.

    A key read with a default may be absent; one read without must be there.
    """

    place: str
    values: Mapping[str, object]

    def whole(self, key: str, *, least: int = 1, default: int | None = None) -> int:
        """A whole number of at least ``least``."""
        value = self._value(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.wrong(key, f"must be a whole number of at least {least}", value)
        return value

    def number(self, key: str, default: float) -> float:
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

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false", value)
        return value

    def block(self, key: str) -> "ModelConfig":
        """A nested object; empty where the key is absent or null."""
        value = self.values.get(key)
        if value is None:
            value = {}
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
        return SourceError(f"{self.place}: {key}", rule, found=found, do=do)

    def _value(self, key: str, default: object) -> object:
        value = self.values.get(key)
        return default if value is None else value


def parse_config(file: Path, content: bytes) -> ModelConfig:
    """Parse config.json; it must be a JSON object."""
    try:
        values = json.loads(content)
    except ValueError as error:
        raise SourceError(str(file), f"is not JSON ({error})", do="restore the file") from error
    if not isinstance(values, dict):
        raise SourceError(str(file), "must be a JSON object", found=type(values).__name__)
    return ModelConfig(str(file), values)
