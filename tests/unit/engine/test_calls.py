"""The calls of engine.h themselves: in a wrong order, with arguments that no host would give."""

from collections.abc import Mapping
from dataclasses import astuple

import numpy as np
import pytest
from wasmtime import Func, Linker, Memory, MemoryType, Store
from wasmtime import Limits as Pages

from extbuild.bundle.engine import Build
from extbuild.compile.program import serialize
from extbuild.engine import host
from extbuild.engine.codes import Code
from extbuild.engine.host import RunLimits
from tests.unit.engine.programs import Made, tiny_bert, tiny_llama

BERT, LLAMA = tiny_bert(), tiny_llama()
ENCODER = RunLimits(16, 4)
DECODER = RunLimits(16, 2, 4, streams=2, cache_tokens=32)
IMPOSSIBLE = RunLimits(1 << 24, 1, 1, 1, 8)
NOWHERE = 0xFFFFFFFF
FIRST_PAGES = 16
PAGE = 65536


class Calls:
    """An instance with a memory of its own, of at most ``pages``, and nothing opened in it."""

    def __init__(self, module: bytes, pages: int = 65536) -> None:
        self._store = Store(host._engine())
        self.memory = Memory(self._store, MemoryType(Pages(FIRST_PAGES, pages)))
        linker = Linker(host._engine())
        linker.define(self._store, "env", "memory", self.memory)
        instance = linker.instantiate(self._store, host._compiled(module))
        self._exports = instance.exports(self._store)

    def __call__(self, name: str, *arguments: int) -> int:
        call = self._exports[f"engine_{name}"]
        assert isinstance(call, Func)
        result: int = call(self._store, *(host._signed(word) for word in arguments))
        return result

    def address(self, name: str, *arguments: int) -> int:
        return self(name, *arguments) & 0xFFFFFFFF

    def place(self, data: bytes) -> int:
        at = self.address("alloc", len(data))
        self.memory.write(self._store, data, at)
        return at

    def write(self, name: str, words: list[int]) -> None:
        self.memory.write(self._store, np.array(words, "<u4").tobytes(), self.address(name))

    def output(self, count: int) -> np.ndarray:
        at = self.address("output")
        return np.frombuffer(bytes(self.memory.read(self._store, at, at + 4 * count)), "<f4")

    def open_at(self, made: Made, program: int, weights: int, limits: RunLimits) -> int:
        size = len(serialize(made.program))
        found = (int(word) for word in astuple(limits))
        return self("open", program, size, weights, len(made.blob), *found)

    def open(self, made: Made, limits: RunLimits) -> int:
        program, weights = self.place(serialize(made.program)), self.place(made.blob)
        return self.open_at(made, program, weights, limits)

    def run(self, rows: list[list[int]], streams: list[int] | None = None) -> int:
        self.write("ids", [index for row in rows for index in row])
        self.write("lengths", [len(row) for row in rows])
        if streams is not None:
            self.write("streams", streams)
        return self("run", len(rows), 0)


@pytest.fixture
def calls(modules: Mapping[Build, bytes]) -> Calls:
    return Calls(modules["debug"])


def test_nothing_works_before_a_model_is_open(calls: Calls) -> None:
    for name, arguments in (
        ("run", (1, 0)),
        ("rewind", (0, 0)),
        ("fork", (0, 1)),
        ("generate", (0, 1, 0)),
    ):
        assert calls(name, *arguments) == Code.NOT_OPEN
    for name in ("ids", "lengths", "streams", "outputs_wanted", "output", "arena_bytes"):
        assert calls(name) == 0
    assert calls("cache_bytes") == calls("cached", 0) == calls("top", 0, 1) == 0


def test_an_instance_holds_one_model(calls: Calls) -> None:
    assert calls.open(LLAMA, DECODER) == Code.OK
    assert calls.run([[1, 2]], [0]) == 1
    before = calls.output(50)
    assert calls.open(BERT, ENCODER) == Code.ALREADY_OPEN
    assert calls.address("error_at") == NOWHERE
    assert calls("cached", 0) == 2
    assert calls("rewind", 0, 0) == Code.OK
    assert calls.run([[1, 2]], [0]) == 1
    assert np.array_equal(calls.output(50), before)


@pytest.mark.parametrize("limits", [IMPOSSIBLE, RunLimits(0), RunLimits(16, 2, 4, 2, 1 << 24)])
def test_a_model_can_be_opened_after_a_failure(calls: Calls, limits: RunLimits) -> None:
    program, weights = calls.place(serialize(LLAMA.program)), calls.place(LLAMA.blob)
    free = calls.address("alloc", 0)
    assert calls.open_at(LLAMA, program, weights, limits) in (Code.NO_MEMORY, Code.BAD_LIMITS)
    assert calls.address("error_at") == NOWHERE
    assert calls.run([], []) == Code.NOT_OPEN
    assert calls("arena_bytes") == calls("cache_bytes") == 0
    assert calls.address("alloc", 0) - free <= 64  # nothing but the guards of these two
    assert calls.open_at(LLAMA, program, weights, DECODER) == Code.OK
    assert calls.run([[1, 2], [3]], [1, 0]) == 2
    assert calls("guards_broken") == 0


def test_a_program_is_refused_at_a_word_and_nothing_is_kept(calls: Calls) -> None:
    data = bytearray(serialize(LLAMA.program))
    data[12 * 4 : 13 * 4] = bytes(4)
    program, weights = calls.place(bytes(data)), calls.place(LLAMA.blob)
    assert calls.open_at(LLAMA, program, weights, DECODER) == Code.BAD_HEADER
    assert calls.address("error_at") == 12
    assert calls("arena_bytes") == calls.address("output") == 0
    assert calls.open(LLAMA, DECODER) == Code.OK


def test_program_and_weights_lie_in_memory_that_was_given_out(calls: Calls) -> None:
    program, weights = calls.place(serialize(LLAMA.program)), calls.place(LLAMA.blob)
    size = len(serialize(LLAMA.program))
    end = calls.address("alloc", 0)
    for at in (0, 64, program + 2, end, 0xFFFFFFC0, 0xFFFFFFFC):
        assert calls.open_at(LLAMA, at, weights, DECODER) == Code.BAD_LIMITS
    for at in (0, 64, weights + 4, end, 0xFFFFFFC0):
        assert calls.open_at(LLAMA, program, at, DECODER) == Code.BAD_LIMITS
    found = [int(word) for word in astuple(DECODER)]
    assert calls("open", program, NOWHERE - 3, weights, 0, *found) == Code.BAD_LIMITS
    assert calls("open", program, size, weights, NOWHERE, *found) == Code.BAD_LIMITS
    assert calls.open_at(LLAMA, program, weights, DECODER) == Code.OK


def test_a_memory_that_cannot_grow_is_told(modules: Mapping[Build, bytes]) -> None:
    calls = Calls(modules["relaxed"], pages=FIRST_PAGES + 1)
    assert calls("alloc", (FIRST_PAGES + 1) * PAGE) == 0
    program, weights = calls.place(serialize(LLAMA.program)), calls.place(LLAMA.blob)
    large = RunLimits(16, 2, 4, streams=2, cache_tokens=4000)
    assert calls.open_at(LLAMA, program, weights, large) == Code.NO_MEMORY
    assert calls.open_at(LLAMA, program, weights, DECODER) == Code.OK
    assert calls("alloc", FIRST_PAGES * PAGE) == 0
    assert calls("alloc", 64) != 0
    assert calls.run([[1, 2]], [0]) == 1


@pytest.mark.parametrize("count", [NOWHERE, NOWHERE - 63, 0xFFFF0000, 0x80000000 * 2 - PAGE])
def test_more_than_there_can_be_is_not_given(calls: Calls, count: int) -> None:
    before = calls.address("alloc", 64)
    assert calls("alloc", count) == 0
    assert 64 <= calls.address("alloc", 64) - before <= 256


def test_addresses_above_2_gib_work(modules: Mapping[Build, bytes]) -> None:
    low, high = Calls(modules["relaxed"]), Calls(modules["relaxed"])
    assert high("alloc", 0xF0000000) != 0
    for calls in (low, high):
        assert calls.open(LLAMA, DECODER) == Code.OK
        assert calls.run([[1, 2, 3], [4]], [0, 1]) == 2
    assert high.address("output") > 0xF0000000
    assert np.array_equal(low.output(100), high.output(100))


WRONG_RUNS: dict[str, tuple[list[int], list[int], int, int, Code]] = {
    "no sequence": ([1], [0], 0, 0, Code.BAD_LENGTH),
    "more sequences than there is room for": ([1, 1], [0, 1], 3, 0, Code.BAD_LENGTH),
    "sequences without end": ([1, 1], [0, 1], NOWHERE, 0, Code.BAD_LENGTH),
    "an empty sequence": ([0, 1], [0, 1], 2, 0, Code.BAD_LENGTH),
    "lengths whose sum wraps": ([NOWHERE, 3], [0, 1], 2, 0, Code.BAD_LENGTH),
    "more tokens than there is room for": ([16, 1], [0, 1], 2, 0, Code.BAD_LENGTH),
    "a stream without end": ([1], [NOWHERE], 1, 0, Code.BAD_STREAM),
    "more wanted rows than there is room for": ([2], [0], 1, 5, Code.BAD_OUTPUT),
    "wanted rows without end": ([2], [0], 1, NOWHERE, Code.BAD_OUTPUT),
}


@pytest.mark.parametrize("case", WRONG_RUNS)
def test_a_run_beyond_its_limits_is_refused(calls: Calls, case: str) -> None:
    lengths, streams, sequences, outputs, code = WRONG_RUNS[case]
    assert calls.open(LLAMA, DECODER) == Code.OK
    calls.write("ids", [1] * 16)
    calls.write("outputs_wanted", [0] * 4)
    calls.write("lengths", lengths)
    calls.write("streams", streams)
    assert calls("run", sequences, outputs) == code
    assert calls("cached", 0) == calls("cached", 1) == 0
    assert calls("top", 0, 1) == 0
    assert calls("generate", 0, 1, NOWHERE) == Code.BAD_ARGUMENT
    assert calls("guards_broken") == 0


def test_an_encoder_has_neither_outputs_nor_streams(calls: Calls) -> None:
    assert calls.open(BERT, ENCODER) == Code.OK
    assert calls.run([[1, 2]]) == 1
    assert calls("generate", 0, 1, NOWHERE) == Code.BAD_ARGUMENT
    assert calls("rewind", 0, 0) == calls("fork", 0, 0) == Code.BAD_STREAM
    assert calls("run", 1, 1) == Code.BAD_OUTPUT
