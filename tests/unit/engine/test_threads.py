"""The pool of threads over a shared memory, each thread an instance of its own."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from wasmtime import Func, Linker, Module, SharedMemory, Store, Trap
from wasmtime import _ffi as ffi

from extbuild.bundle.engine import Build
from extbuild.engine import host
from extbuild.engine.codes import EngineError
from extbuild.engine.host import EngineModel, RunLimits
from tests.unit.engine.programs import tiny_bert, tiny_llama

STACK_BYTES = 65536
LIMITS = RunLimits(128, 4, 8, streams=4, cache_tokens=200)
LLAMA, BERT = tiny_llama(), tiny_bert()
ROWS = [[int(x) for x in np.random.default_rng(8).integers(0, 40, n)] for n in (60, 33, 1, 20)]


class _Importable(SharedMemory):
    """wasmtime's own (as of 50.0) makes a pointer too many here, which its linker refuses."""

    def _as_extern(self) -> ffi.wasmtime_extern_t:
        union = ffi.wasmtime_extern_union(sharedmemory=self.ptr())
        return ffi.wasmtime_extern_t(ffi.WASMTIME_EXTERN_SHAREDMEMORY, union)


class _Pool:
    """Threads beside a model's own. ``stacks``: where each one's ends."""

    def __init__(self, module: bytes, model: EngineModel) -> None:
        self._module = Module(host._engine(), module)
        self._model = model
        self._threads: list[threading.Thread] = []
        self.returned: list[int] = []
        self.trapped: list[int] = []
        self.stacks: list[int] = []

    def start(self, index: int, *, stack: bool = True) -> None:
        store = Store(host._engine())
        linker = Linker(host._engine())
        assert isinstance(self._model._memory, SharedMemory)
        shared = ffi.wasmtime_sharedmemory_clone(self._model._memory.ptr())
        linker.define(store, "env", "memory", _Importable._from_ptr(shared))
        entry = linker.instantiate(store, self._module).exports(store)["engine_thread"]
        assert isinstance(entry, Func)
        self.stacks.append(self._model._call("engine_alloc", STACK_BYTES) + STACK_BYTES)
        end = self.stacks[-1] if stack else 0

        def body() -> None:
            try:
                entry(store, index, end)
                self.returned.append(index)
            except Trap:
                self.trapped.append(index)

        self._threads.append(threading.Thread(target=body, daemon=True))
        self._threads[-1].start()

    def worked(self) -> bool:
        """Whether any thread has used its stack for a tile: attention keeps its scores there."""
        views = (self._model._view(end - STACK_BYTES, STACK_BYTES - 256) for end in self.stacks)
        return any(view.any() for view in views)

    def stop(self) -> None:
        self._model._call("engine_stop_threads")
        for thread in self._threads:
            thread.join(30)
        assert sorted(self.returned) == list(range(1, len(self._threads) + 1))


@contextmanager
def pool(module: bytes, model: EngineModel, threads: int) -> Iterator[_Pool]:
    made = _Pool(module, model)
    for index in range(1, threads):
        made.start(index)
    model._call("engine_set_threads", threads)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def threaded(modules: Mapping[Build, bytes]) -> bytes:
    return modules["threads"]


def decoded(model: EngineModel) -> Sequence[np.ndarray]:
    streams = [3, 1, 0, 2]
    for stream in streams:
        model.rewind(0, stream)
    first = model.run(ROWS, streams=streams)
    return [first, *(model.run([[k], [9]], streams=[0, 3]) for k in range(4))]


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_compute_what_one_thread_does(threaded: bytes, threads: int) -> None:
    alone = decoded(LLAMA.open(threaded, LIMITS))
    model = LLAMA.open(threaded, LIMITS)
    with pool(threaded, model, threads) as others:
        runs = 0
        while runs < 20 or not others.worked():
            runs += 1
            assert runs < 5000, "no thread but the first did anything"
            for found, wanted in zip(decoded(model), alone, strict=True):
                assert np.array_equal(found, wanted)
    assert np.array_equal(decoded(model)[0], alone[0])  # goes on without them


def test_an_encoder_is_shared_out_by_sequence_and_head(threaded: bytes) -> None:
    limits = RunLimits(200, 8)
    alone = BERT.open(threaded, limits).run(ROWS)
    model = BERT.open(threaded, limits)
    with pool(threaded, model, 2):
        for _ in range(50):
            assert np.array_equal(model.run(ROWS), alone)


def test_the_number_of_threads_can_change(threaded: bytes) -> None:
    model = BERT.open(threaded, RunLimits(200, 8))
    alone = model.run(ROWS)
    with pool(threaded, model, 3):
        for threads in (1, 3, 2, 1, 2, 99, 0, 3):
            model._call("engine_set_threads", threads)
            assert np.array_equal(model.run(ROWS), alone)


def test_a_thread_that_comes_after_the_stop_returns_at_once(threaded: bytes) -> None:
    model = BERT.open(threaded, RunLimits(200, 8))
    late = _Pool(threaded, model)
    model._call("engine_stop_threads")
    late.start(1)
    late.stop()
    model._call("engine_set_threads", 4)
    assert model.run(ROWS).shape == (4, 3)


def test_a_run_does_not_wait_for_a_thread_that_has_died(threaded: bytes) -> None:
    """Else the worker would hang until somebody ends it."""
    model = LLAMA.open(threaded, LIMITS)
    others = _Pool(threaded, model)
    others.start(1, stack=False)
    model._call("engine_set_threads", 2)

    def run_on() -> None:
        for _ in range(5000):
            decoded(model)

    with pytest.raises(EngineError, match="unreachable"):
        run_on()
    assert others.trapped == [1]


@pytest.mark.parametrize("int8", [False, True])
def test_a_quarter_of_a_stack_stays_free(threaded: bytes, int8: bool) -> None:
    model = LLAMA.open(threaded, replace(LIMITS, cache_int8=int8))
    encoder = BERT.open(threaded, RunLimits(200, 8))
    for each, run in ((model, lambda: decoded(model)), (encoder, lambda: encoder.run(ROWS))):
        with pool(threaded, each, 2) as others:
            for _ in range(5000):
                run()
                if others.worked():
                    break
            [end] = others.stacks
            assert others.worked()
            assert not each._view(end - STACK_BYTES, STACK_BYTES // 4).any()
