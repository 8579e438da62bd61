"""Choosing the inputs of ``golden.json`` from a model's fixtures, and running the reference.

Texts are short and few, for a browser runs them before the first result: about 300 tokens. Among
those that fit, the ones are taken whose decisions are clear; the choice depends on the fixtures and
the model alone.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from extbuild.artifacts import CompiledModel
from extbuild.errors import ContractError, DataError
from extbuild.evaluate.golden import (
    Batch,
    DecoderGolden,
    EncoderGolden,
    Golden,
    Step,
    follow,
    threshold_logits,
    tolerance_for,
)
from extbuild.evaluate.moderation import is_readable, windows
from extbuild.evaluate.on_ort import OrtDecoder, OrtEncoder
from extbuild.evaluate.rows import evenly, read_rows
from extbuild.evaluate.session import require_finite
from extbuild.evaluate.settings import CompletionSettings, ModerationSettings, Settings
from extbuild.evaluate.unicode import well_formed

Float32 = NDArray[np.float32]
Encode = Callable[[str], list[int]]

CANDIDATES = 96
"""Most rows of the fixtures that are looked at."""
LONG_ROWS = 16
"""Most texts that are made longer."""
RAGGED_ROWS = 6
"""Most of the batch in which short and long rows are run together."""
PROMPT_TOKENS = 72
"""Longer than one piece of a prompt, so that a prompt read in two pieces is compared, too."""
REACH_TOKENS = 8
"""How far from where a step is wanted a clear one is looked for: steps must not become one."""
LOGITS_OF_STEP = 16


def make_golden(reference: CompiledModel, settings: Settings, fixtures: Path) -> Golden:
    """Inputs, and what native onnxruntime says to them, with its exact kernels.

    ``reference`` is compiled for ONNX Runtime. Raises DataError for fixtures without a usable text,
    and QualityError for a model that gives no finite numbers.
    """
    if reference.ort is None:
        raise ContractError(f"{reference.name} was not compiled for ONNX Runtime Web")
    tokenizer = Tokenizer.from_str(reference.tokenizer_json.decode("utf-8"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(well_formed(text)).ids
        return ids

    if isinstance(settings, ModerationSettings):
        parts = _parts(fixtures, settings, encode)
        encoder = OrtEncoder(reference.ort, settings.pad_id)
        tolerance = tolerance_for(reference.operators, "encoder")
        return _encoder_golden(reference.name, settings, parts, encoder, tolerance)
    texts = _texts(fixtures, settings, encode)
    decoder = OrtDecoder(reference.ort, settings)
    tolerance = tolerance_for(reference.operators, "decoder")
    return _decoder_golden(reference.name, texts, decoder, tolerance)


def _parts(fixtures: Path, settings: ModerationSettings, encode: Encode) -> list[list[int]]:
    """Distinct rows that the model would be given, the shortest first.

    Some are a text over and over, as long as the model reads: those of the fixtures may be short.
    """
    every = [row.text for row in read_rows(fixtures, labelled=True) if is_readable(row.text)]
    texts = [every[index] for index in evenly(len(every), CANDIDATES)]
    texts += [" ".join([texts[at]] * settings.max_tokens) for at in evenly(len(texts), LONG_ROWS)]
    parts = {tuple(windows(encode(text), settings.max_tokens)[0]) for text in texts}
    if not parts:
        raise DataError(str(fixtures), "holds no text that the model reads", do="write some")
    return [list(part) for part in sorted(parts, key=lambda part: (len(part), part))]


def _encoder_golden(
    name: str,
    settings: ModerationSettings,
    parts: Sequence[list[int]],
    encoder: OrtEncoder,
    tolerance: float,
) -> EncoderGolden:
    alone = np.concatenate([encoder.logits([part]) for part in parts])
    require_finite(name, alone)
    thresholds = threshold_logits(settings)
    # At least as much as the spread of those that are chosen, so that what is clear stays clear.
    margins = np.abs(alone - thresholds).min(axis=1)
    clear = [at for at, margin in enumerate(margins) if margin >= tolerance * _spread(alone)]
    usable = clear or [int(margins.argmax())]
    flagged = [bool((logits >= thresholds).any()) for logits in alone]
    room = max(settings.batch_tokens, settings.max_tokens)
    batches = [[usable[-1]], _ragged(parts, usable, flagged, room), [usable[0]]]
    rows = [[parts[at] for at in batch] for batch in batches]
    logits = [encoder.logits(batch) for batch in rows]
    spread = _spread(np.concatenate(logits))
    near = tolerance * spread
    return EncoderGolden(
        tolerance,
        spread,
        tuple(
            Batch(ids, found, [_decisions(row, thresholds, near) for row in found])
            for ids, found in zip(rows, logits, strict=True)
        ),
    )


def _ragged(
    parts: Sequence[list[int]], usable: Sequence[int], flagged: Sequence[bool], room: int
) -> list[int]:
    """Rows of many lengths, flagged and clean ones, of at most ``room`` tokens together."""
    wanted: list[int] = []
    for kind in (True, False):
        group = [at for at in usable if flagged[at] is kind]
        wanted += [group[at] for at in evenly(len(group), RAGGED_ROWS // 2)]
    chosen: list[int] = []
    for at in sorted(wanted):
        if sum(len(parts[other]) for other in (*chosen, at)) <= room:
            chosen.append(at)
    # Not by length: a backend has to put results back where they belong.
    return [*chosen[1:], *chosen[:1]]


def _decisions(logits: Float32, thresholds: NDArray[np.float64], near: float) -> list[bool | None]:
    return [
        None if abs(float(logit) - threshold) < near else bool(logit >= threshold)
        for logit, threshold in zip(logits, thresholds, strict=True)
    ]


def _texts(fixtures: Path, settings: CompletionSettings, encode: Encode) -> list[list[int]]:
    """The two longest texts, bos first, as much of them as the steps may use."""
    every = [row.text for row in read_rows(fixtures, labelled=False)]
    room = min(2 * PROMPT_TOKENS, settings.context_tokens)
    texts = [[settings.bos_id, *encode(every[at])] for at in evenly(len(every), CANDIDATES)]
    longest = sorted(texts, key=lambda ids: (-len(ids), ids))[:2]
    if len(longest[0]) < 2:
        raise DataError(str(fixtures), "holds no text", do="write some texts into it")
    return [ids[:room] for ids in longest]


def _decoder_golden(
    name: str, texts: Sequence[list[int]], decoder: OrtDecoder, tolerance: float
) -> DecoderGolden:
    one, other = texts[0], texts[-1]
    whole = [decoder.alone(text, 0) for text in (one, other)]
    require_finite(name, np.concatenate(whole))
    near = 2 * tolerance * max(_spread(logits) for logits in whole)
    choose = [_Prefixes(logits, near) for logits in whole]
    steps = _walk(one, other, choose[0], choose[1])
    found = follow(steps, decoder)
    spread = _spread(np.concatenate(found))
    return DecoderGolden(
        tolerance,
        spread,
        tuple(
            _step(ids, logits, 2 * tolerance * spread)
            for ids, logits in zip(steps, found, strict=True)
        ),
    )


class _Prefixes:
    """Which beginnings of a text end where the next token is clear."""

    def __init__(self, logits: Float32, near: float) -> None:
        self.length = len(logits)
        best = np.partition(logits, -2, axis=-1)[:, -2:]
        self._margins = best[:, 1] - best[:, 0]
        self._near = near

    def at(self, wanted: int, *, beyond: int = 0) -> int:
        """The clear length nearest to ``wanted``, which itself is taken if none is near.

        It is more than ``beyond``, where the text goes so far.
        """
        wanted = min(max(wanted, beyond + 1), self.length)
        lengths = 1 + np.flatnonzero(self._margins >= self._near)
        lengths = lengths[(np.abs(lengths - wanted) <= REACH_TOKENS) & (lengths > beyond)]
        return int(lengths[np.abs(lengths - wanted).argmin()]) if len(lengths) else wanted


def _walk(
    one: Sequence[int], other: Sequence[int], ends: _Prefixes, other_ends: _Prefixes
) -> list[list[int]]:
    """Texts that follow each other as in a field: typed on, deleted from, replaced, begun anew."""
    long = min(PROMPT_TOKENS, max(ends.length - 6, 1))
    lengths = [ends.at(long)]
    for typed in (1, 1, 4):
        lengths.append(ends.at(lengths[-1] + typed, beyond=lengths[-1]))
    steps = [list(one[:length]) for length in (*lengths, ends.at(long // 2))]
    # A tail of the other text in place of this one's: what the cache kept must not show through.
    kept = ends.at(long // 4)
    steps.append([*one[:kept], *other[1 : 1 + max(other_ends.length // 8, 1)]])
    short = other_ends.at(min(12, max(other_ends.length - 2, 1)))
    return [*steps, *(list(other[:end]) for end in (short, other_ends.at(short + 1, beyond=short)))]


def _step(ids: Sequence[int], logits: Float32, near: float) -> Step:
    """Logits at the likeliest ids, and at others from all over the vocabulary."""
    order = np.argsort(-logits, kind="stable")
    at = [int(index) for index in order[: LOGITS_OF_STEP // 2]]
    others = evenly(len(logits), LOGITS_OF_STEP // 2)
    at = sorted({*at, *others})
    clear = len(order) < 2 or logits[order[0]] - logits[order[1]] >= near
    return Step(ids, int(order[0]) if clear else None, at, logits[at])


def _spread(logits: Float32) -> float:
    """Largest minus smallest, in three digits, which processors agree on.

    Of a model that always says the same, a number to divide by.
    """
    return max(float(f"{logits.max() - logits.min():.3g}"), 1e-6)
