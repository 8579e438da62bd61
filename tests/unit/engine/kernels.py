"""The kernels alone, compiled with the entry points of kernels.c and run by wasmtime."""

import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from wasmtime import Engine as Wasmtime
from wasmtime import Func, Global, Instance, Limits, Linker, Memory, MemoryType, Module, Store

from extbuild.bundle.engine import build_engine
from extbuild.cache import Cache
from extbuild.compile.layouts import Float32, Packed
from extbuild.compile.program import Activation
from extbuild.process import run

VARIANTS = ("relaxed", "simd")
GUARD = 64
"""Bytes after each buffer that must stay as they are."""
_ROOT = Path(__file__).resolve().parents[3]
_SOURCES = ("matmul*.c", "quantize.c", "vector_math.c", "*.h")
_PAGE = 65536


@cache
def modules() -> Mapping[str, bytes]:
    """The compiled kernels of both variants."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "engine"
        folder.mkdir()
        engine = _ROOT / "extension_src" / "engine"
        for pattern in _SOURCES:
            for source in engine.glob(pattern):
                shutil.copy(source, folder)
        shutil.copy(Path(__file__).with_name("kernels.c"), folder)
        made = build_engine(
            Path(scratch), Cache(Path(scratch) / "cache"), run, builds=("relaxed", "simd")
        )
        return {str(name): module for name, module in made.items()}


class Kernels:
    """An instance. Every call starts with empty memory; results are copies."""

    def __init__(self, variant: str) -> None:
        wasmtime = Wasmtime()
        self._store = Store(wasmtime)
        self._memory = Memory(self._store, MemoryType(Limits(16, 65536)))
        linker = Linker(wasmtime)
        linker.define(self._store, "env", "memory", self._memory)
        module = Module(wasmtime, modules()[variant])
        self._instance: Instance = linker.instantiate(self._store, module)
        heap = self._instance.exports(self._store)["__heap_base"]
        assert isinstance(heap, Global)
        self._start = int(heap.value(self._store))
        self._next = self._start
        self._guards: list[int] = []

    def _call(self, name: str, *arguments: int) -> int:
        function = self._instance.exports(self._store)[name]
        assert isinstance(function, Func)
        return int(function(self._store, *arguments) or 0)

    def _place(self, content: bytes) -> int:
        """Copies bytes in at the next multiple of 64, with a guard behind them."""
        at = -(-self._next // 64) * 64
        self._next = at + len(content) + GUARD
        missing = -(-self._next // _PAGE) - self._memory.size(self._store)
        if missing > 0:
            self._memory.grow(self._store, missing)
        self._memory.write(self._store, content + b"\xa5" * GUARD, at)
        self._guards.append(at + len(content))
        return at

    def _read(self, at: int, count: int) -> Float32:
        found = self._memory.read(self._store, at, at + count * 4)
        assert all(
            bytes(self._memory.read(self._store, guard, guard + GUARD)) == b"\xa5" * GUARD
            for guard in self._guards
        ), "a kernel wrote behind a buffer"
        return np.frombuffer(bytes(found), np.float32).copy()

    def _set(self, packed: Packed) -> None:
        self._next, self._guards = self._start, []
        parts = [self._place(part) for part in (packed.data, packed.scales, packed.zeros)]
        self._describe(packed, *parts)

    def _describe(self, packed: Packed, data: int, scales: int, zeros: int) -> None:
        shape = (packed.rows, packed.cols, packed.block, packed.flags)
        self._call("test_matrix", int(packed.dtype), *shape, data, scales, zeros)

    def sizes(self, packed: Packed) -> tuple[int, int, int] | None:
        """Bytes that matrix_sizes wants for the descriptor; None if it refuses it."""
        self._next, self._guards = self._start, []
        self._describe(packed, 0, 0, 0)
        out = self._place(bytes(12))
        if not self._call("test_sizes", out):
            return None
        data, scales, zeros = np.frombuffer(
            bytes(self._memory.read(self._store, out, out + 12)), "<u4"
        )
        return int(data), int(scales), int(zeros)

    def matmul(
        self,
        packed: Packed,
        x: Float32,
        *,
        bias: Float32 | None = None,
        activation: Activation = Activation.NONE,
        residual: Float32 | None = None,
        spare: int = 0,
    ) -> Float32:
        """``(m, rows)``. `spare` columns lie between rows of x and y; a residual is in y itself."""
        self._set(packed)
        m = len(x)
        wide = np.pad(x, ((0, 0), (0, spare)), constant_values=np.nan)
        y_stride = packed.rows + spare
        start = np.full((m, y_stride), 7.0, np.float32)
        if residual is not None:
            start[:, : packed.rows] = residual
        at_x = self._place(wide.astype("<f4").tobytes())
        at_y = self._place(start.tobytes())
        at_bias = 0 if bias is None else self._place(bias.astype("<f4").tobytes())
        scratch = self._place(bytes(self._call("test_scratch_bytes", m)))
        at_residual = 0 if residual is None else at_y
        arguments = (at_x, wide.shape[1], m, at_y, y_stride, at_bias, int(activation))
        self._call("test_matmul", *arguments, at_residual, y_stride, scratch)
        y = self._read(at_y, start.size).reshape(m, y_stride)
        assert (y[:, packed.rows :] == 7.0).all(), "a kernel wrote beside its columns"
        return y[:, : packed.rows]

    def row(self, packed: Packed, row: int) -> Float32:
        """One dequantised row."""
        self._set(packed)
        out = self._place(bytes(packed.cols * 4))
        self._call("test_row", row, out)
        return self._read(out, packed.cols)

    def function(self, x: npt.NDArray[np.float32], function: int) -> Float32:
        """An Activation, or 16 exp, 17 erf, of every value."""
        self._next, self._guards = self._start, []
        at = self._place(x.astype("<f4").tobytes())
        self._call("test_function", at, x.size, function)
        return self._read(at, x.size)


@cache
def kernels(variant: str) -> Kernels:
    """The instance that the tests of a process share."""
    return Kernels(variant)
