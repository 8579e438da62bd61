"""``golden.json``: inputs with the results that a backend must give before it is trusted.

Encoder, ``batches``: rows of ids that are run together, unpadded; their logits; and which of them
reach their thresholds. Decoder, ``steps``: the whole text so far, of which a backend keeps what its
cache shares with it; the likeliest id; and the logits at some ids. Steps extend, shorten and
replace the text. The reference is native onnxruntime with exact kernels, on the same weights.

A backend passes if every logit is within ``tolerance * spread`` of the reference, where ``spread``
is the largest reference logit minus the smallest, and if every decision is the same. A decision
that the tolerance could turn is null and not compared: a logit nearer than that to its threshold,
two likeliest ids nearer than twice that. Inputs are chosen so that there are few, where the model
gives any clear ones.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from extbuild.evaluate.session import RunsRows, RunsText, shared

Float32 = NDArray[np.float32]
Kind = Literal["encoder", "decoder"]
FORMAT = 1

# Largest |difference| / spread by how weights are stored. In brackets the largest that was
# measured between the engine and native onnxruntime on this repository's models; what is wrong is
# wrong by the spread itself.
FLOAT_TOLERANCE = 1e-4
"""Sums in another order (3e-7), and room for the approximate functions of GPUs."""
INT8_DECODER_TOLERANCE = 2e-2
"""Activations are rounded to 8 bits, and a sum in another order tips values that lie between two
steps (4e-3). So much is the rounding's own: native onnxruntime differs by 1.1e-2 from itself when
it reads a text token by token."""
INT8_ENCODER_TOLERANCE = 5e-2
"""The same (1.5e-2), but logits that are few and near each other show more of it: deep models of
random weights 4.7e-2, the embeddings of 40 texts by all-MiniLM-L6-v2 3.5e-2."""
BLOCK_TOLERANCE = 5e-2
"""The reference multiplies them with float32 activations, the engine with 8-bit ones (5e-3), and
every layer adds to that: all-MiniLM-L6-v2's embeddings differ by 2.7e-2 with blocks of 128."""
_BLOCK_OPERATORS = ("com.microsoft::MatMulNBits", "com.microsoft::GatherBlockQuantized")
_INT8_OPERATORS = ("com.microsoft::MatMulIntegerToFloat",)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one run. ``decisions[row][label]``: reaches its threshold; None: too near to it."""

    rows: Sequence[Sequence[int]]
    logits: Float32
    decisions: Sequence[Sequence[bool | None]]


@dataclass(frozen=True, slots=True)
class Step:
    """A text, the likeliest next id (None: too near to the second) and logits at the ids ``at``."""

    ids: Sequence[int]
    top: int | None
    at: Sequence[int]
    logits: Float32


@dataclass(frozen=True, slots=True)
class EncoderGolden:
    """Golden batches of an encoder."""

    tolerance: float
    spread: float
    batches: tuple[Batch, ...]

    @property
    def cases(self) -> int:
        """Rows."""
        return sum(len(batch.rows) for batch in self.batches)


@dataclass(frozen=True, slots=True)
class DecoderGolden:
    """Golden steps of a decoder."""

    tolerance: float
    spread: float
    steps: tuple[Step, ...]

    @property
    def cases(self) -> int:
        """Steps."""
        return len(self.steps)


Golden = EncoderGolden | DecoderGolden


@dataclass(frozen=True, slots=True)
class Comparison:
    """A backend against the reference: ``max_error`` is in units of the spread.

    ``wrong`` names the first decision that differs.
    """

    max_error: float
    wrong: str | None

    def fault(self, tolerance: float) -> str | None:
        """Why the backend fails; None if it passes."""
        if not self.max_error <= tolerance:
            return f"logits differ by {self.max_error:.2g} of their spread, more than {tolerance:g}"
        return self.wrong


class Thresholds(Protocol):
    """What decides on logits; ModerationSettings is one."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the logits."""
        ...

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Probability by label."""
        ...


def tolerance_for(operators: Mapping[str, int], kind: Kind) -> float:
    """By the coarsest kind of weights that a graph has; see the constants."""
    if any(name in operators for name in _BLOCK_OPERATORS):
        return BLOCK_TOLERANCE
    if any(name in operators for name in _INT8_OPERATORS):
        return INT8_ENCODER_TOLERANCE if kind == "encoder" else INT8_DECODER_TOLERANCE
    return FLOAT_TOLERANCE


def threshold_logits(settings: Thresholds) -> NDArray[np.float64]:
    """ln(p / (1 - p)) of each label's threshold, in the order of the labels."""
    return np.asarray([_logit(settings.thresholds[label]) for label in settings.labels])


def _logit(probability: float) -> float:
    if probability in (0.0, 1.0):
        return math.inf if probability else -math.inf
    return math.log(probability / (1 - probability))


def golden_text(golden: Golden) -> bytes:
    """The file. Logits are rounded to about a hundredth of the difference that is tolerated.

    Last digits, in which kinds of processors differ, seldom show then; they still may.
    """
    digits = max(2 - math.floor(math.log10(golden.tolerance * golden.spread)), 0)

    def numbers(logits: Float32) -> list[float]:
        return [round(float(logit), digits) for logit in logits]

    value: dict[str, object] = {
        "format": FORMAT,
        "kind": "encoder" if isinstance(golden, EncoderGolden) else "decoder",
        "tolerance": golden.tolerance,
        "spread": golden.spread,
    }
    if isinstance(golden, EncoderGolden):
        value["batches"] = [
            {
                "rows": batch.rows,
                "logits": [numbers(row) for row in batch.logits],
                "decisions": batch.decisions,
            }
            for batch in golden.batches
        ]
    else:
        value["steps"] = [
            {"ids": step.ids, "top": step.top, "at": step.at, "logits": numbers(step.logits)}
            for step in golden.steps
        ]
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def compare_encoder(golden: EncoderGolden, settings: Thresholds, encoder: RunsRows) -> Comparison:
    """Run every batch on ``encoder``."""
    thresholds = threshold_logits(settings)
    error, wrong = 0.0, None
    for index, batch in enumerate(golden.batches):
        found = encoder.logits(batch.rows)
        error = _worse(error, found, batch.logits, golden.spread)
        for row, (decided, logits) in enumerate(zip(batch.decisions, found, strict=True)):
            for label, expected, reached in zip(
                settings.labels, decided, logits >= thresholds, strict=True
            ):
                if expected not in (None, bool(reached)) and wrong is None:
                    wrong = f"batch {index}, row {row}: {label} must be {expected}"
    return Comparison(error, wrong)


def compare_decoder(golden: DecoderGolden, decoder: RunsText) -> Comparison:
    """Take every step on ``decoder``, with the reuse of its cache that suggestions make."""
    error, wrong = 0.0, None
    for index, (step, found) in enumerate(
        zip(golden.steps, follow([step.ids for step in golden.steps], decoder), strict=True)
    ):
        error = _worse(error, found[list(step.at)], step.logits, golden.spread)
        top = int(found.argmax())
        if step.top not in (None, top) and wrong is None:
            wrong = f"step {index}: the likeliest id must be {step.top}, got {top}"
    return Comparison(error, wrong)


def follow(texts: Sequence[Sequence[int]], decoder: RunsText) -> list[Float32]:
    """Logits after each text, each begun from what it shares with the one before."""
    found, before = [], list[int]()
    for text in texts:
        keep = shared(before, text[:-1])
        decoder.truncate(keep)
        found.append(decoder.extend(text[keep:]))
        before = list(text)
    return found


def _worse(error: float, found: Float32, expected: Float32, spread: float) -> float:
    """The larger of ``error`` and the largest difference; infinity where a result is no number."""
    if not np.isfinite(found).all():
        return math.inf
    return max(error, float(np.abs(found - expected).max()) / spread)
