"""Models on the engine: the same module, Program and weights as in the extension."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from extbuild.artifacts import EngineFiles
from extbuild.engine.codes import Code, EngineError
from extbuild.engine.host import EngineModel, RunLimits
from extbuild.evaluate.settings import MARGIN_TOKENS, CompletionSettings, ModerationSettings

Float32 = NDArray[np.float32]
RUN_TOKENS = 64
"""Most tokens that a decoder reads in one run; longer texts are read in pieces."""


class EngineEncoder:
    """Rows of token ids to logits; ``instances`` of the model work side by side on batches."""

    def __init__(
        self, files: EngineFiles, settings: ModerationSettings, instances: int = 1
    ) -> None:
        most = max(settings.batch_tokens, settings.max_tokens)
        limits = RunLimits(max_tokens=most, max_sequences=most)
        self._models = [
            EngineModel(files.module, files.program, files.weights, limits)
            for _ in range(instances)
        ]

    @property
    def arena_bytes(self) -> int:
        """Bytes of the activations of one instance."""
        return self._models[0].arena_bytes

    def logits(self, rows: Sequence[Sequence[int]]) -> Float32:
        """Logits ``(rows, labels)`` of one batch."""
        return _logits(self._models[0], rows)

    def each(self, batches: Sequence[Sequence[Sequence[int]]]) -> Iterator[Float32]:
        """Logits of each batch, in order."""
        if len(self._models) == 1:
            return map(self.logits, batches)
        return self._side_by_side(batches)

    def _side_by_side(self, batches: Sequence[Sequence[Sequence[int]]]) -> Iterator[Float32]:
        free: SimpleQueue[EngineModel] = SimpleQueue()
        for model in self._models:
            free.put(model)

        def logits(rows: Sequence[Sequence[int]]) -> Float32:
            model = free.get()
            try:
                return _logits(model, rows)
            finally:
                free.put(model)

        with ThreadPoolExecutor(len(self._models)) as pool:
            yield from pool.map(logits, batches)


class EngineDecoder:
    """A growing text in stream 0; texts beside it use stream 1."""

    def __init__(self, files: EngineFiles, settings: CompletionSettings) -> None:
        room = min(settings.context_tokens + MARGIN_TOKENS, max_positions(files.program))
        limits = RunLimits(
            max_tokens=RUN_TOKENS, max_outputs=RUN_TOKENS, streams=2, cache_tokens=room
        )
        self._model = EngineModel(files.module, files.program, files.weights, limits)
        self._vocab_size = settings.vocab_size
        self._room = room

    @property
    def capacity(self) -> int:
        """Most tokens of the growing text."""
        return self._room

    @property
    def arena_bytes(self) -> int:
        """Bytes of the activations."""
        return self._model.arena_bytes

    def truncate(self, keep: int) -> None:
        """Forget all but the first ``keep`` tokens."""
        self._model.rewind(keep)

    def extend(self, ids: Sequence[int]) -> Float32:
        """Append ids; logits ``(vocab,)`` after the last of them."""
        logits = np.empty((1, self._vocab_size), np.float32)
        for at in range(0, len(ids), RUN_TOKENS):
            logits = _finite(self._model, [ids[at : at + RUN_TOKENS]], (0,), (), self._vocab_size)
        last: Float32 = logits[0]
        return last

    def alone(self, ids: Sequence[int], first: int) -> Float32:
        """Logits ``(len(ids) - first, vocab)`` of a text beside the growing one."""
        self._model.rewind(0, stream=1)
        found = []
        for at in range(0, len(ids), RUN_TOKENS):
            piece = ids[at : at + RUN_TOKENS]
            wanted = range(max(first - at, 0), len(piece))
            # Without wanted rows the engine computes the last one, which nobody asked for.
            logits = _finite(self._model, [piece], (1,), wanted, self._vocab_size)
            found.append(logits[: len(wanted)])
        return np.concatenate(found)


def max_positions(program: bytes) -> int:
    """Most tokens of one sequence, from the header of a Program."""
    return int.from_bytes(program[12 * 4 : 13 * 4], "little")


def _logits(model: EngineModel, rows: Sequence[Sequence[int]]) -> Float32:
    return _finite(model, rows, (), (), 1)


def _finite(
    model: EngineModel,
    rows: Sequence[Sequence[int]],
    streams: Sequence[int],
    wanted: Sequence[int],
    width: int,
) -> Float32:
    """One run. Results that are no numbers come back as such: whoever asked has a word for them."""
    try:
        return model.run(rows, streams=streams, wanted=wanted)
    except EngineError as error:
        if error.code is not Code.NOT_FINITE:
            raise
        return np.full((max(len(rows), len(wanted)), width), np.nan, np.float32)
