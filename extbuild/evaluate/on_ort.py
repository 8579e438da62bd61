"""Models on native onnxruntime: the reference, and what measures a model that was not lowered."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from extbuild.artifacts import OrtFiles
from extbuild.evaluate.settings import MARGIN_TOKENS, CompletionSettings
from extbuild.ort import Session

Float32 = NDArray[np.float32]


class OrtEncoder:
    """Rows of token ids to logits, padded on the right and masked."""

    def __init__(
        self, files: OrtFiles, pad_id: int, *, threads: int = 1, exact: bool = True
    ) -> None:
        self._session = Session(files.graph, files.weights, threads=threads, exact=exact)
        self._pad_id = pad_id

    def logits(self, rows: Sequence[Sequence[int]]) -> Float32:
        """Logits ``(rows, labels)`` of one batch."""
        longest = max(len(row) for row in rows)
        ids = np.full((len(rows), longest), self._pad_id, np.int64)
        mask = np.zeros((len(rows), longest), np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        output = self._session.run({"input_ids": ids, "attention_mask": mask})[0]
        return np.asarray(output, np.float32)

    def each(self, batches: Sequence[Sequence[Sequence[int]]]) -> Iterator[Float32]:
        """Logits of each batch, one after the other: threads work inside a batch."""
        return map(self.logits, batches)


class OrtDecoder:
    """A growing text; its cache goes in and out of every run."""

    def __init__(
        self, files: OrtFiles, settings: CompletionSettings, *, threads: int = 1, exact: bool = True
    ) -> None:
        self._session = Session(files.graph, files.weights, threads=threads, exact=exact)
        self._shape = (1, settings.kv_heads, 0, settings.head_dim)
        self._names = [
            f"past_key_values.{layer}.{kind}"
            for layer in range(settings.layers)
            for kind in ("key", "value")
        ]
        self._cache = self._empty()
        self._capacity = settings.context_tokens + MARGIN_TOKENS

    @property
    def capacity(self) -> int:
        """Most tokens of the growing text: as many as the extension lets it have."""
        return self._capacity

    def truncate(self, keep: int) -> None:
        """Forget all but the first ``keep`` tokens."""
        self._cache = [tensor[:, :, :keep] for tensor in self._cache]

    def extend(self, ids: Sequence[int]) -> Float32:
        """Append ids; logits ``(vocab,)`` after the last of them."""
        logits, *self._cache = self._run(ids, [len(ids) - 1], self._cache)
        last: Float32 = logits[0, 0]
        return last

    def alone(self, ids: Sequence[int], first: int) -> Float32:
        """Logits ``(len(ids) - first, vocab)`` of a text beside the growing one."""
        whole: Float32 = self._run(ids, range(first, len(ids)), self._empty())[0][0]
        return whole

    def _run(
        self, ids: Sequence[int], wanted: Sequence[int], cache: Sequence[Float32]
    ) -> list[Float32]:
        past = cache[0].shape[2]
        feeds: dict[str, NDArray[np.generic]] = {
            "input_ids": np.asarray([ids], np.int64),
            "position_ids": np.arange(past, past + len(ids), dtype=np.int64)[None],
            "logits_index": np.asarray(wanted, np.int64),
        }
        feeds.update(zip(self._names, cache, strict=True))
        return [np.asarray(output, np.float32) for output in self._session.run(feeds)]

    def _empty(self) -> list[Float32]:
        return [np.zeros(self._shape, np.float32) for _ in self._names]
