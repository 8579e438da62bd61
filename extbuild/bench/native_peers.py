"""Peers that run outside a browser: the limit. Native onnxruntime, and llama.cpp where installed.

llama.cpp runs in a process of its own (llama_cpp_peer.py): its kernels are chosen by what the
processor says, and a virtual machine may say more than it allows.
"""

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from extbuild.bench.forms import GRAPH_FILE, WEIGHTS_FILE
from extbuild.bench.in_browser import Generated, PeerError, PeerLimits
from extbuild.ort import Session
from extbuild.process import Runner

MIN_STEPS = 3  # as in extension_src/bench/greedy.ts
FIRST_ID = 300  # as in extension_src/bench/tokens.ts


def token_ids(seed: int, length: int, vocab: int) -> list[int]:
    """The ids that pages make for the same seed; see extension_src/bench/tokens.ts."""
    return [FIRST_ID + (seed * 7919 + at * 104_729) % (vocab - FIRST_ID) for at in range(length)]


class NativeOrt:
    """A form of a model in native onnxruntime, with the fastest kernels that it has."""

    def __init__(self, form: Path, limits: PeerLimits, vocab: int, *, threads: int = 1) -> None:
        graph, weights = (form / GRAPH_FILE).read_bytes(), (form / WEIGHTS_FILE).read_bytes()
        self._session = Session(graph, weights, threads=threads, exact=False)
        self._limits, self._vocab = limits, vocab
        self._names = [
            f"past_key_values.{layer}.{kind}"
            for layer in range(limits.layers)
            for kind in ("key", "value")
        ]

    def generate(self, seed: int, *, prompt_tokens: int, steps: int, max_ms: float) -> Generated:
        """Read a prompt and go on greedily for ``steps`` tokens, or for about ``max_ms``."""
        shape = (1, self._limits.kv_heads, 0, self._limits.head_dim)
        cache: Sequence[NDArray[np.generic]] = [np.zeros(shape, np.float32) for _ in self._names]
        ids, past = token_ids(seed, prompt_tokens, self._vocab), 0
        ms: list[float] = []
        while len(ms) <= steps and (len(ms) <= MIN_STEPS or sum(ms[1:]) < max_ms):
            started = perf_counter()
            feeds: dict[str, NDArray[np.generic]] = {
                "input_ids": np.asarray([ids], np.int64),
                "position_ids": np.arange(past, past + len(ids), dtype=np.int64)[None],
                "logits_index": np.asarray([len(ids) - 1], np.int64),
            }
            feeds.update(zip(self._names, cache, strict=True))
            logits, *cache = self._session.run(feeds)
            past += len(ids)
            ids = [int(logits.argmax())]
            ms.append((perf_counter() - started) * 1000)
        return Generated(ms[0], tuple(ms[1:]))

    def encode(self, seed: int, *, texts: int, tokens: int) -> float:
        """Milliseconds of one batch."""
        rows = [token_ids(seed + at, tokens, self._vocab) for at in range(texts)]
        started = perf_counter()
        ids = np.asarray(rows, np.int64)
        self._session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        return (perf_counter() - started) * 1000

    def close(self) -> None:
        """Nothing to do: its memory goes with it."""


class LlamaCpp:
    """A GGUF file in llama-cpp-python, which is an extra: ``pip install -e '.[bench]'``."""

    def __init__(self, file: Path, runner: Runner) -> None:
        if importlib.util.find_spec("llama_cpp") is None:
            raise PeerError("not installed: pip install -e '.[bench]' builds it from source")
        self._file, self._runner = file, runner
        self._repack = True

    def generate(self, seed: int, *, prompt_tokens: int, steps: int, max_ms: float) -> Generated:
        """Load the file, read a prompt twice, the first time to warm up, and go on greedily.

        It is never so slow that ``max_ms`` would matter.
        """
        told = self._ask(seed, prompt_tokens, steps)
        if told is None and self._repack:
            self._repack = False  # without the layouts that it makes for one processor
            told = self._ask(seed, prompt_tokens, steps)
        if told is None:
            raise PeerError("llama-cpp-python crashed")
        return told

    def encode(self, seed: int, *, texts: int, tokens: int) -> float:
        """It has no encoder here."""
        raise PeerError("llama-cpp-python is measured on decoders only")

    def close(self) -> None:
        """Nothing to do: its process has ended."""

    def _ask(self, seed: int, prompt_tokens: int, steps: int) -> Generated | None:
        """None where the process crashed."""
        values = (seed, prompt_tokens, steps, int(self._repack))
        done = self._runner(
            [
                sys.executable,
                "-m",
                "extbuild.bench.llama_cpp_peer",
                str(self._file),
                *map(str, values),
            ],
            cwd=Path.cwd(),
        )
        if done.code < 0:
            return None
        if done.code:
            raise PeerError(f"llama-cpp-python: {done.errors.strip().splitlines()[-1:]}")
        told = json.loads(done.output.splitlines()[-1])
        return Generated(told["prefill_ms"], tuple(told["token_ms"]))
