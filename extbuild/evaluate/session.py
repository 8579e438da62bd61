"""A compiled model as an encoder or a decoder: ids in, numbers out.

A model runs on what runs it in the extension: on the engine, the very file that ships, where it has
files for that; else on native onnxruntime. Figures are the same every time.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from extbuild.artifacts import CompiledModel
from extbuild.errors import ContractError, QualityError
from extbuild.evaluate.on_engine import EngineDecoder, EngineEncoder
from extbuild.evaluate.on_ort import OrtDecoder, OrtEncoder
from extbuild.evaluate.settings import CompletionSettings, ModerationSettings

Float32 = NDArray[np.float32]
PREFILL_TOKENS = 64
"""Prompts are read in pieces of this many tokens, as in the extension, where keys may interrupt."""


def require_finite(name: str, logits: Float32) -> None:
    """QualityError where the model called ``name`` gave NaN or infinity: no figure means anything.

    Not part of a session's run, which is timed.
    """
    if not np.isfinite(logits).all():
        raise QualityError(
            f"{name}: logits",
            "must be finite numbers",
            found=str(logits[~np.isfinite(logits)][0]),
            do="choose milder passes (float16 ends at 65504), or train the model again",
        )


class RunsRows(Protocol):
    """Rows of token ids to logits, on some backend."""

    def logits(self, rows: Sequence[Sequence[int]]) -> Float32:
        """Logits ``(rows, labels)`` of one batch."""
        ...

    def each(self, batches: Sequence[Sequence[Sequence[int]]]) -> Iterator[Float32]:
        """Logits of one batch after the other; the backend may work on several at once."""
        ...


class RunsText(Protocol):
    """A text with its key/value cache, on some backend."""

    @property
    def capacity(self) -> int:
        """Most tokens of the growing text."""
        ...

    def truncate(self, keep: int) -> None:
        """Forget all but the first ``keep`` tokens."""
        ...

    def extend(self, ids: Sequence[int]) -> Float32:
        """Append ids; logits ``(vocab,)`` after the last of them."""
        ...

    def alone(self, ids: Sequence[int], first: int) -> Float32:
        """Logits ``(len(ids) - first, vocab)`` of a text beside the growing one."""
        ...


class EncoderSession:
    """Rows of token ids to logits. ``exact`` asks onnxruntime for the kernels that browsers have.

    ``threads`` work inside a batch on onnxruntime, and on several batches on the engine.
    """

    def __init__(
        self,
        compiled: CompiledModel,
        settings: ModerationSettings,
        *,
        threads: int = 1,
        exact: bool = True,
    ) -> None:
        self._inner: RunsRows
        if compiled.engine is not None:
            self._inner = EngineEncoder(compiled.engine, settings, threads)
        elif compiled.ort is not None:
            self._inner = OrtEncoder(compiled.ort, settings.pad_id, threads=threads, exact=exact)
        else:
            raise ContractError(f"{compiled.name} has files for no backend")

    def logits(self, rows: Sequence[Sequence[int]]) -> Float32:
        """Logits ``(rows, labels)`` of one batch."""
        return self._inner.logits(rows)

    def each(self, batches: Sequence[Sequence[Sequence[int]]]) -> Iterator[Float32]:
        """Logits of each batch, in order."""
        return self._inner.each(batches)


class DecoderSession:
    """A text that grows token by token, with its key/value cache."""

    def __init__(
        self,
        compiled: CompiledModel,
        settings: CompletionSettings,
        *,
        threads: int = 1,
        exact: bool = True,
    ) -> None:
        self._inner: RunsText
        if compiled.engine is not None:
            self._inner = EngineDecoder(compiled.engine, settings)
        elif compiled.ort is not None:
            self._inner = OrtDecoder(compiled.ort, settings, threads=threads, exact=exact)
        else:
            raise ContractError(f"{compiled.name} has files for no backend")
        self._name = compiled.name
        self._ids: list[int] = []

    @property
    def capacity(self) -> int:
        """Most tokens of the growing text, as in the extension."""
        return self._inner.capacity

    def rewind(self, ids: Sequence[int]) -> int:
        """Shorten the cache to what it shares with the start of ``ids``, at least one id short.

        Returns the number of tokens that are left in the cache.
        """
        keep = shared(self._ids, ids[:-1])
        self._ids = self._ids[:keep]
        self._inner.truncate(keep)
        return keep

    def append(self, ids: Sequence[int]) -> Float32:
        """Append one or more ids; logits ``(vocab,)`` after the last of them."""
        logits = self._inner.extend(ids)
        self._ids += list(ids)
        return logits

    def logits_from(self, ids: Sequence[int], first: int) -> Float32:
        """Logits ``(len(ids) - first, vocab)`` after ``ids[first]`` and each later one.

        ``ids`` are a text of their own: the growing text is not touched. QualityError if any of
        the logits is not finite.
        """
        whole = self._inner.alone(ids, first)
        require_finite(self._name, whole)
        return whole


def shared(mine: Sequence[int], theirs: Sequence[int]) -> int:
    """How many ids two texts have in common from the start."""
    keep = 0
    for one, other in zip(mine, theirs, strict=False):
        if one != other:
            break
        keep += 1
    return keep
