"""Proof that the engine computes what the compressed graph says, before it may run a model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from extbuild.artifacts import CompiledModel, EngineFiles, Variant
from extbuild.engine.codes import EngineError
from extbuild.errors import ContractError
from extbuild.evaluate.golden import (
    Comparison,
    DecoderGolden,
    EncoderGolden,
    Golden,
    compare_decoder,
    compare_encoder,
    golden_text,
)
from extbuild.evaluate.golden_inputs import make_golden
from extbuild.evaluate.on_engine import EngineDecoder, EngineEncoder
from extbuild.evaluate.settings import CompletionSettings, ModerationSettings, Settings


@dataclass(frozen=True, slots=True)
class Proof:
    """What the golden inputs showed.

    ``golden`` is the file. ``max_error`` is, by variant of the engine, the largest difference of a
    logit in units of the spread of all; a variant that gave none or no numbers is not there.
    ``arena_bytes`` is the memory for activations of the largest run, None without the engine.
    ``fault`` says why the engine must not run the model.
    """

    golden: bytes
    cases: int
    tolerance: float
    max_error: Mapping[Variant, float]
    arena_bytes: int | None
    fault: str | None


def prove(
    reference: CompiledModel,
    variants: Mapping[Variant, EngineFiles],
    settings: Settings,
    fixtures: Path,
) -> Proof:
    """Make the golden inputs and compare every variant of the engine with their results.

    Without ``variants`` only the file is made, for backends that are tested in the browser.
    """
    golden = make_golden(reference, settings, fixtures)
    errors: dict[Variant, float] = {}
    fault: str | None = None
    arena: int | None = None
    for variant, files in variants.items():
        try:
            found, arena = _compare(golden, settings, files)
        except EngineError as error:
            fault = fault or f"engine {variant}: {error}"
            continue
        if math.isfinite(found.max_error):
            errors[variant] = found.max_error
        wrong = found.fault(golden.tolerance)
        if wrong is not None:
            fault = fault or f"engine {variant}: {wrong}"
    return Proof(golden_text(golden), golden.cases, golden.tolerance, errors, arena, fault)


def _compare(golden: Golden, settings: Settings, files: EngineFiles) -> tuple[Comparison, int]:
    """One variant against the reference, and the bytes of its activations."""
    if isinstance(golden, EncoderGolden) and isinstance(settings, ModerationSettings):
        encoder = EngineEncoder(files, settings)
        return compare_encoder(golden, settings, encoder), encoder.arena_bytes
    if isinstance(golden, DecoderGolden) and isinstance(settings, CompletionSettings):
        decoder = EngineDecoder(files, settings)
        return compare_decoder(golden, decoder), decoder.arena_bytes
    raise ContractError("golden inputs of another task than the model's")
