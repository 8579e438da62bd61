"""One model in one instance of the engine, run by wasmtime.

The only module that imports wasmtime. Compiling the engine's module takes a fraction of a second
and is done once per process. Calls leave Python's lock, so instances in threads run side by side;
one instance belongs to one thread at a time.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from wasmtime import (
    Config,
    Engine,
    Func,
    Instance,
    Limits,
    Linker,
    Memory,
    MemoryType,
    Module,
    SharedMemory,
    Store,
    Trap,
    WasmtimeError,
    wat2wasm,
)

from extbuild.compile.program import NONE
from extbuild.engine.codes import MAX_STEPS, STEP_TOP, VERSION, Code, EngineError, Mode

Float32 = NDArray[np.float32]
UInt32 = NDArray[np.uint32]

_SCORED = np.dtype([("id", "<u4"), ("log_probability", "<f4")])
_PATH = np.dtype([("count", "<u4"), ("log_probability", "<f4"), ("tokens", _SCORED, MAX_STEPS)])
_GENERATED = np.dtype([("best", _PATH), ("second", _PATH), ("top", _SCORED, (MAX_STEPS, STEP_TOP))])


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Most of one run, and the key/value caches that a decoder has; see ``engine_open``.

    An encoder leaves the last four as they are.
    """

    max_tokens: int
    max_sequences: int = 1
    max_outputs: int = 0
    streams: int = 0
    cache_tokens: int = 0
    cache_int8: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """A token with its log-probability."""

    id: int
    log_probability: float


@dataclass(frozen=True, slots=True)
class Generated:
    """Tokens that the engine chose itself. `second` is there for beams, `top` for `Mode.TOP`."""

    best: tuple[Scored, ...]
    second: tuple[Scored, ...]
    top: tuple[tuple[Scored, ...], ...]


class EngineModel:
    """A Program and its weights, ready to run. Raises `EngineError` for whatever is refused."""

    def __init__(
        self, module: bytes, program: bytes, weights: bytes | memoryview, limits: RunLimits
    ) -> None:
        self._store = Store(_engine())
        try:
            compiled = _compiled(module)
            linker = Linker(_engine())
            self._memory = _memory(compiled, self._store, linker)
            instance: Instance = linker.instantiate(self._store, compiled)
        except (Trap, WasmtimeError) as error:
            raise EngineError("module", None, said=_reason(error)) from error
        exports = instance.exports(self._store)
        self._calls = MappingProxyType(
            {name: call for name, call in exports.items() if isinstance(call, Func)}
        )
        version = self._call("engine_version")
        if version != VERSION:
            raise EngineError("engine_version", None, said=f"must be {VERSION}, got {version}")
        self.limits = limits
        self._width = int.from_bytes(program[14 * 4 : 15 * 4], "little")
        self._open(program, weights)
        self._ids, self._lengths, self._streams, self._wanted = (
            self._call(f"engine_{name}") for name in ("ids", "lengths", "streams", "outputs_wanted")
        )

    def _open(self, program: bytes, weights: bytes | memoryview) -> None:
        at = self._copied(program)
        place = self._allocated(len(weights))
        limits = self.limits
        code = self._call(
            "engine_open",
            at,
            len(program),
            place,
            len(weights),
            limits.max_tokens,
            limits.max_sequences,
            limits.max_outputs,
            limits.streams,
            limits.cache_tokens,
            int(limits.cache_int8),
        )
        if code < 0:
            word = self._call("engine_error_at")
            raise EngineError("engine_open", code, word=None if word == _signed(NONE) else word)
        self._view(place, len(weights))[:] = np.frombuffer(weights, np.uint8)

    @property
    def arena_bytes(self) -> int:
        """Bytes of the activations."""
        return self._call("engine_arena_bytes")

    @property
    def cache_bytes(self) -> int:
        """Bytes of the keys and values of all streams."""
        return self._call("engine_cache_bytes")

    @property
    def memory_bytes(self) -> int:
        """Bytes of the whole linear memory."""
        if isinstance(self._memory, SharedMemory):
            return int(self._memory.data_len())
        return int(self._memory.data_len(self._store))

    @property
    def guards_broken(self) -> int:
        """Guard words that were overwritten; in the build ``debug`` only."""
        return self._call("engine_guards_broken")

    def run(
        self,
        rows: Sequence[Sequence[int]],
        *,
        streams: Sequence[int] = (),
        wanted: Sequence[int] = (),
    ) -> Float32:
        """Run a ragged batch; the output rows ``(n, width)``, a copy.

        A decoder appends each row to its stream; ``wanted`` are indices into the tokens of the
        batch, and without them the last token of each row is meant. An encoder has neither.
        """
        ids = [index for row in rows for index in row]
        limits = self.limits
        # What the engine could only see after it had been written beyond its place, or not at all.
        if not (0 < len(ids) <= limits.max_tokens and len(rows) <= limits.max_sequences):
            raise EngineError("engine_run", Code.BAD_LENGTH)
        if len(streams) != (len(rows) if limits.streams else 0):
            raise EngineError("engine_run", Code.BAD_STREAM)
        if len(wanted) > limits.max_outputs:
            raise EngineError("engine_run", Code.BAD_OUTPUT)
        self._write(self._ids, ids)
        self._write(self._lengths, [len(row) for row in rows])
        self._write(self._streams, streams)
        self._write(self._wanted, wanted)
        count = self._checked("engine_run", len(rows), len(wanted))
        output = self._view(self._call("engine_output"), count * self._width * 4)
        return output.view("<f4").reshape(count, self._width).astype(np.float32)

    def cached(self, stream: int = 0) -> int:
        """Tokens in a stream's cache."""
        return self._call("engine_cached", stream)

    def rewind(self, keep: int, stream: int = 0) -> None:
        """Forget all but the first ``keep`` tokens of a stream."""
        self._checked("engine_rewind", stream, keep)

    def fork(self, source: int, target: int) -> None:
        """Make the stream ``target`` a copy of ``source``."""
        self._checked("engine_fork", source, target)

    def top(self, row: int, count: int) -> tuple[Scored, ...]:
        """The most probable ids of an output row of the last run, best first."""
        at = self._call("engine_top", row, count)
        if at == 0:
            raise EngineError("engine_top", Code.BAD_ARGUMENT)
        return _scored(self._view(at, count * _SCORED.itemsize).view(_SCORED))

    def generate(self, mode: Mode, steps: int, end_id: int | None = None) -> Generated:
        """Continue stream 0 from the last run; the stream is afterwards what it was."""
        count = self._checked("engine_generate", mode, steps, NONE if end_id is None else end_id)
        at = self._call("engine_generated")
        [found] = self._view(at, _GENERATED.itemsize).view(_GENERATED)
        paths = (found["best"], found["second"])
        best, second = (_scored(path["tokens"][: path["count"]]) for path in paths)
        alternatives = found["top"][: count if mode == Mode.TOP else 0, : self._width]
        top = tuple(_scored(row) for row in alternatives)
        return Generated(best, second, top)

    def _call(self, name: str, *arguments: int) -> int:
        """A call's plain result; pointers come back as signed words."""
        if name not in self._calls:
            raise EngineError(name, None, said="is not exported")
        try:
            result: int = self._calls[name](self._store, *(_signed(word) for word in arguments))
        except (Trap, WasmtimeError) as error:
            raise EngineError(name, None, said=_reason(error)) from error
        return result

    def _checked(self, name: str, *arguments: int) -> int:
        code = self._call(name, *arguments)
        if code < 0:
            raise EngineError(name, code)
        return code

    def _allocated(self, count: int) -> int:
        at = self._call("engine_alloc", count)
        if at == 0:
            raise EngineError("engine_alloc", Code.NO_MEMORY)
        return at

    def _copied(self, data: bytes) -> int:
        at = self._allocated(len(data))
        self._view(at, len(data))[:] = np.frombuffer(data, np.uint8)
        return at

    def _write(self, at: int, words: Sequence[int]) -> None:
        self._view(at, len(words) * 4).view("<u4")[:] = words

    def _view(self, at: int, count: int) -> NDArray[np.uint8]:
        """Bytes of the memory, to be used before the next call: it may move when it grows."""
        if isinstance(self._memory, SharedMemory):
            base, size = self._memory.data_ptr(), self._memory.data_len()
        else:
            base, size = self._memory.data_ptr(self._store), self._memory.data_len(self._store)
        at &= 0xFFFFFFFF
        if at + count > size:
            raise EngineError("memory", None, said=f"{at} + {count} is beyond its {size} bytes")
        address = ctypes.addressof(base.contents) + at
        return np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(address))


@cache
def _engine() -> Engine:
    config = Config()
    config.wasm_relaxed_simd = True
    config.wasm_threads = True
    config.shared_memory = True
    return Engine(config)


@cache
def _compiled(module: bytes) -> Module:
    return Module(_engine(), module)


def _memory(module: Module, store: Store, linker: Linker) -> Memory | SharedMemory:
    """A memory of the size that the module asks for, defined as what it imports."""
    memories = [found.type for found in module.imports if isinstance(found.type, MemoryType)]
    if len(memories) != 1:
        raise EngineError("module", None, said="imports no memory")
    [wanted] = memories
    limits = wanted.limits
    if not wanted.is_shared:
        memory = Memory(store, MemoryType(Limits(limits.min, limits.max)))
        linker.define(store, "env", "memory", memory)
        return memory
    # wasmtime's Python cannot define a shared memory by itself (as of 50.0), only a whole instance.
    text = f'(module (memory (export "memory") {limits.min} {limits.max} shared))'
    instance = Instance(store, Module(_engine(), bytes(wat2wasm(text))), [])
    linker.define_instance(store, "env", instance)
    exported = instance.exports(store)["memory"]
    if not isinstance(exported, SharedMemory):
        raise EngineError("memory", None, said="is not shared")
    return exported


def _reason(error: Exception) -> str:
    """The line that says why: wasmtime tells of a trap where it was first, and why last."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1 if isinstance(error, Trap) else 0].strip()


def _signed(word: int) -> int:
    return word - 0x1_0000_0000 if word >= 0x8000_0000 else word


def _scored(rows: NDArray[np.void]) -> tuple[Scored, ...]:
    return tuple(Scored(int(row["id"]), float(row["log_probability"])) for row in rows)
