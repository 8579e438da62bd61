"""The worker's engine backends give what the same module gives under wasmtime, for the same rows.

Programs are made by hand. The whole way from a graph to suggestions is in test_engine_parity.py.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import pytest
from numpy.typing import NDArray

from extbuild.artifacts import Variant
from extbuild.compile.program import serialize
from extbuild.engine.host import RunLimits
from tests.node import node_json, run_node
from tests.unit.engine.programs import Made, tiny_bert, tiny_llama

SCRIPT = Path(__file__).parent / "run_backend.ts"
VARIANTS: tuple[Variant, ...] = ("simd", "relaxed", "threads")
TOLERANCE = 1e-4
"""Sums are made in another order where rows meet in other runs."""
SHARD_BYTES = 4000
FIRST_MEMORY_BYTES = 1_048_576

ENCODER = {"max_tokens": 32, "batch_tokens": 40, "pad_id": 0}
DECODER = {"layers": 2, "kv_heads": 2, "head_dim": 8, "cache_tokens": 200}

# More rows than one run has room for, one longer than a batch, one of a single token.
ROWS = [[at * 7 % 40 for at in range(length)] for length in (5, 30, 9, 2, 17, 33, 3, 3, 40)]
ROWS += [[7]] * 70
# Continued, replaced, cut back, begun anew; longer than one run.
TEXTS = [
    list(range(1, 20)),
    list(range(1, 30)),
    [1, 2, 3, 9, 9],
    [1, 2, 3],
    [index % 50 for index in range(150)],
    [7],
]


class Found(TypedDict):
    """What run_backend.ts prints for each backend."""

    logits: list[list[float]]
    memoryBytes: int


@dataclasses.dataclass(frozen=True)
class Packed:
    """A Program on disk as in a package, and what the script is told of it."""

    folder: Path
    given: dict[str, object]


def _entry(folder: Path, file: str, content: bytes) -> dict[str, object]:
    (folder / file).write_bytes(content)
    return {
        "file": file,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def packed(
    folder: Path, modules: Mapping[Variant, bytes], program: bytes, weights: bytes
) -> Packed:
    shards = [
        {
            **_entry(folder, f"weights-{start}.bin", weights[start : start + SHARD_BYTES]),
            "offset": start,
        }
        for start in range(0, len(weights), SHARD_BYTES)
    ]
    engine = {
        "program": _entry(folder, "program.bin", program),
        "weights": {"bytes": len(weights), "shards": shards},
    }
    variants = {name: _entry(folder, f"{name}.wasm", modules[name]) for name in VARIANTS}
    files = {"sha256": "", "params": 0, "engine": engine, "ort": None}
    return Packed(folder, {"folder": str(folder), "engine": variants, "files": files})


def run_backends(
    package: Packed,
    rows: Sequence[Sequence[int]],
    *,
    encoder: Mapping[str, int] | None = None,
    decoder: Mapping[str, int] | None = None,
) -> dict[str, Found]:
    given = {**package.given, "encoder": encoder, "decoder": decoder, "rows": rows}
    found: dict[str, Found] = json.loads(node_json(SCRIPT, json.dumps(given)))
    assert set(found) == {f"engine-{variant}" for variant in VARIANTS}
    return found


def expected(module: bytes, made: Made, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Each row in a run of its own; a decoder's from an empty cache."""
    decoder = made.program.layers > 0
    limits = RunLimits(
        max_tokens=256,
        max_outputs=int(decoder),
        streams=int(decoder),
        cache_tokens=256 * decoder,
    )
    model = made.open(module, limits)
    results = []
    for row in rows:
        if decoder:
            model.rewind(0, 0)
        results.append(model.run([row], streams=[0] if decoder else [])[-1])
    return np.array(results)


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_each_variant_gives_what_it_gives_under_wasmtime(
    engine: Mapping[Variant, bytes], tmp_path: Path, kind: str
) -> None:
    made = tiny_bert() if kind == "encoder" else tiny_llama()
    rows = ROWS if kind == "encoder" else TEXTS
    package = packed(tmp_path, engine, serialize(made.program), made.blob)
    found = run_backends(
        package,
        rows,
        encoder=ENCODER if kind == "encoder" else None,
        decoder=DECODER if kind == "decoder" else None,
    )
    for variant in VARIANTS:
        logits = np.array(found[f"engine-{variant}"]["logits"])
        np.testing.assert_allclose(
            logits, expected(engine[variant], made, rows), rtol=TOLERANCE, atol=TOLERANCE
        )
        assert np.ptp(logits) > 100 * TOLERANCE


def test_memory_is_that_of_the_model_and_what_a_run_needs(
    engine: Mapping[Variant, bytes], tmp_path: Path
) -> None:
    made = tiny_llama()
    padding = bytes(8_000_000)
    larger = dataclasses.replace(made.program, weights_bytes=len(made.blob) + len(padding))
    weights = made.blob + padding
    found = run_backends(
        packed(tmp_path, engine, serialize(larger), weights), TEXTS[:1], decoder=DECODER
    )
    limits = RunLimits(max_tokens=64, max_outputs=1, streams=1, cache_tokens=200)
    model = made.open(engine["simd"], limits)
    needed = len(weights) + model.arena_bytes + model.cache_bytes
    assert found["engine-simd"]["memoryBytes"] < needed + FIRST_MEMORY_BYTES


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([list(range(1, 43))], "a run: at most 40 tokens in 32 rows, got 42 in 1"),
        ([[1, 40]], "engine_run: BAD_ID"),
        ([[]], "engine_run: BAD_LENGTH"),
    ],
    ids=["too long", "an unknown token", "empty"],
)
def test_a_row_that_the_model_cannot_read_is_refused_by_name(
    engine: Mapping[Variant, bytes], tmp_path: Path, rows: list[list[int]], message: str
) -> None:
    made = tiny_bert()
    package = packed(tmp_path, engine, serialize(made.program), made.blob)
    given = {**package.given, "encoder": ENCODER, "decoder": None, "rows": rows}
    ended = run_node([SCRIPT], stdin=json.dumps(given))
    assert ended.code != 0
    assert message in ended.errors


def test_a_program_that_the_engine_refuses_is_told_with_its_place(
    engine: Mapping[Variant, bytes], tmp_path: Path
) -> None:
    made = tiny_bert()
    program = bytearray(serialize(made.program))
    first_operation = 16 + 12 * len(made.program.weights) + 2 * len(made.program.slots)
    program[4 * first_operation] = 99
    package = packed(tmp_path, engine, bytes(program), made.blob)
    given = {**package.given, "encoder": ENCODER, "decoder": None, "rows": [[1]]}
    ended = run_node([SCRIPT], stdin=json.dumps(given))
    assert ended.code != 0
    assert f"engine_open: BAD_OPERATION at word {first_operation}" in ended.errors
