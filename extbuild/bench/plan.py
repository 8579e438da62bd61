"""What one run of the benchmark measures."""

from collections.abc import Sequence
from dataclasses import dataclass

from extbuild.bench.compare import Workload
from extbuild.bench.random_models import (
    MINILM_L6,
    SMOLLM2_135M,
    SWEEP,
    DecoderSizes,
    EncoderSizes,
)
from extbuild.config.suggest import did_you_mean
from extbuild.errors import ConfigError

PARTS = ("decoder", "encoder", "completion", "moderation", "extension", "memory", "sweeps")
"""``decoder`` and ``encoder`` are models of well-known shapes with random weights, ``completion``
and ``moderation`` the project's own; ``extension`` is the built package."""

TINY = DecoderSizes("tiny decoder", 128, 2, 4, 2, 256, 2048)


@dataclass(frozen=True, slots=True)
class Plan:
    """Models, how much is asked of them, how often, and which parts of it all."""

    decoder: DecoderSizes
    encoder: EncoderSizes
    sizes: tuple[DecoderSizes, ...]
    workload: Workload
    rounds: int
    parts: Sequence[str]


def plan_of(*, quick: bool, only: Sequence[str]) -> Plan:
    """The plan for the options of ``inv bench``. ``only`` names parts; empty means all.

    ``quick`` takes tiny models once: it shows that everything runs, its figures mean nothing.
    """
    for part in only:
        if part not in PARTS:
            raise ConfigError(
                "inv bench --only",
                f"must name parts of {', '.join(PARTS)}",
                found=repr(part),
                do=did_you_mean(part, PARTS),
            )
    if not quick:
        return Plan(SMOLLM2_135M, MINILM_L6, SWEEP, Workload(), 3, only or PARTS)
    workload = Workload(prompt_tokens=16, steps=3, max_ms=100.0, texts=2, text_tokens=16)
    encoder = EncoderSizes("tiny encoder", 64, 2, 4, 128, 2048)
    parts = only or ("decoder", "encoder")
    return Plan(TINY, encoder, (TINY,), workload, 1, parts)
