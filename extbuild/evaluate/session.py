"""A compiled model as an encoder or a decoder: ids in, numbers out.

Both run the packed bytes on native onnxruntime; with one thread, figures are the same every time.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from extbuild.artifacts import CompiledModel
from extbuild.errors import QualityError
from extbuild.evaluate.settings import CompletionSettings
from extbuild.ort import Session

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


class EncoderSession:
    """Rows of token ids to logits."""

    def __init__(
        self, compiled: CompiledModel, pad_id: int, *, threads: int = 1, exact: bool = True
    ) -> None:
        self._session = Session(compiled.graph, compiled.weights, threads=threads, exact=exact)
        self._pad_id = pad_id

    def logits(self, rows: Sequence[Sequence[int]]) -> Float32:
        """Logits ``(rows, labels)`` of one batch, padded on the right and masked."""
        longest = max(len(row) for row in rows)
        ids = np.full((len(rows), longest), self._pad_id, np.int64)
        mask = np.zeros((len(rows), longest), np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        output = self._session.run({"input_ids": ids, "attention_mask": mask})[0]
        return np.asarray(output, np.float32)


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
        self._session = Session(compiled.graph, compiled.weights, threads=threads, exact=exact)
        self._settings = settings
        self._name = compiled.name
        self._names = [
            f"past_key_values.{layer}.{kind}"
            for layer in range(settings.layers)
            for kind in ("key", "value")
        ]
        self._ids: list[int] = []
        self._cache = self._empty()

    def rewind(self, ids: Sequence[int]) -> int:
        """Shorten the cache to what it shares with the start of ``ids``, at least one id short.

        Returns the number of tokens that are left in the cache.
        """
        keep = 0
        for mine, theirs in zip(self._ids, ids[:-1], strict=False):
            if mine != theirs:
                break
            keep += 1
        self._ids = self._ids[:keep]
        self._cache = [tensor[:, :, :keep] for tensor in self._cache]
        return keep

    def append(self, ids: Sequence[int]) -> Float32:
        """Append one or more ids; logits ``(vocab,)`` after the last of them."""
        outputs = self._run(ids, [len(ids) - 1], len(self._ids), self._cache)
        self._ids += list(ids)
        self._cache = outputs[1:]
        last: Float32 = outputs[0][0, 0]
        return last

    def logits_from(self, ids: Sequence[int], first: int) -> Float32:
        """Logits ``(len(ids) - first, vocab)`` after ``ids[first]`` and each later one.

        ``ids`` are a text of their own: the growing text is not touched. QualityError if any of
        the logits is not finite.
        """
        whole: Float32 = self._run(ids, range(first, len(ids)), 0, self._empty())[0][0]
        require_finite(self._name, whole)
        return whole

    def _run(
        self, ids: Sequence[int], wanted: Sequence[int], past: int, cache: Sequence[Float32]
    ) -> list[Float32]:
        feeds: dict[str, NDArray[np.generic]] = {
            "input_ids": np.asarray([ids], np.int64),
            "position_ids": np.arange(past, past + len(ids), dtype=np.int64)[None],
            "logits_index": np.asarray(wanted, np.int64),
        }
        feeds.update(zip(self._names, cache, strict=True))
        return [np.asarray(output, np.float32) for output in self._session.run(feeds)]

    def _empty(self) -> list[Float32]:
        shape = (1, self._settings.kv_heads, 0, self._settings.head_dim)
        return [np.zeros(shape, np.float32) for _ in self._names]
