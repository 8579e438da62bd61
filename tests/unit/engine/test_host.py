"""The host around the engine: memory, errors, threads, and what it hands back."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from wasmtime import wat2wasm

from extbuild.bundle.engine import Build, build_engine
from extbuild.cache import Cache
from extbuild.engine.codes import Code, EngineError, Mode
from extbuild.engine.host import EngineModel, RunLimits
from extbuild.process import run
from tests.unit.engine.programs import Made, tiny_bert, tiny_llama

ENCODER = RunLimits(max_tokens=32, max_sequences=4)
DECODER = RunLimits(max_tokens=8, max_sequences=2, max_outputs=8, streams=2, cache_tokens=64)
ROWS = [[1, 2, 3, 4, 5], [7], [9, 8, 7]]


@pytest.fixture(scope="module")
def bert() -> Made:
    return tiny_bert()


@pytest.fixture(scope="module")
def llama() -> Made:
    return tiny_llama()


def test_the_variant_with_shared_memory_agrees_with_the_others(
    root: Path, modules: Mapping[Build, bytes], bert: Made
) -> None:
    cache = Cache(root / ".extbuild/engine-tests", max_bytes=20_000_000)
    threads = build_engine(root / "extension_src", cache, run, builds=["threads"])["threads"]
    shared = bert.open(threads, ENCODER)
    assert (shared.run(ROWS) == bert.open(modules["relaxed"], ENCODER).run(ROWS)).all()


def test_weights_are_in_memory_once(modules: Mapping[Build, bytes], bert: Made) -> None:
    rows = 1 << 20
    large = replace(bert, blob=bert.blob + bytes(8 * rows))
    large = replace(large, program=replace(bert.program, weights_bytes=len(large.blob)))
    small, model = (made.open(modules["relaxed"], ENCODER) for made in (bert, large))
    assert 8 * rows <= model.memory_bytes - small.memory_bytes < 9 * rows


def test_instances_in_threads_do_not_disturb_each_other(
    modules: Mapping[Build, bytes], bert: Made
) -> None:
    alone = bert.open(modules["relaxed"], ENCODER).run(ROWS)
    models = [bert.open(modules["relaxed"], ENCODER) for _ in range(4)]

    def work(model: EngineModel) -> bool:
        return all(bool((model.run(ROWS) == alone).all()) for _ in range(50))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, models))


def test_results_are_copies(modules: Mapping[Build, bytes], bert: Made) -> None:
    model = bert.open(modules["relaxed"], ENCODER)
    first = model.run(ROWS)
    kept = first.copy()
    model.run([[30, 31]])
    assert (first == kept).all()
    assert first.shape == (3, 3)


def test_a_program_that_is_none_is_refused_by_name(modules: Mapping[Build, bytes]) -> None:
    with pytest.raises(EngineError, match="engine_open: NOT_A_PROGRAM at word 0"):
        EngineModel(modules["relaxed"], bytes(256), b"", ENCODER)


_ENGINE = '(func (export "engine_version") (result i32) i32.const 1)'


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (b"not a module", "module: "),
        (bytes(wat2wasm("(module (func (result i32) nop))")), "module: "),
        (bytes(wat2wasm(f'(module (import "env" "more" (func)) {_ENGINE})')), "module: "),
        (bytes(wat2wasm(f"(module {_ENGINE})")), "module: imports no memory"),
        (bytes(wat2wasm('(module (import "env" "memory" (memory 1)))')), "engine_version: "),
    ],
    ids=["no module", "invalid", "other import", "own memory", "no export"],
)
def test_a_module_that_is_not_the_engine_is_refused(module: bytes, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        EngineModel(module, bytes(256), b"", ENCODER)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([[0] * 33], Code.BAD_LENGTH),
        ([[1]] * 5, Code.BAD_LENGTH),
        ([], Code.BAD_LENGTH),
        ([[1], []], Code.BAD_LENGTH),
        ([[40]], Code.BAD_ID),
    ],
)
def test_a_run_that_does_not_fit_is_refused(
    modules: Mapping[Build, bytes], bert: Made, rows: list[list[int]], code: Code
) -> None:
    model = bert.open(modules["relaxed"], ENCODER)
    with pytest.raises(EngineError) as caught:
        model.run(rows)
    assert caught.value.code is code


@pytest.mark.parametrize(
    ("streams", "wanted", "code"),
    [
        ((), (), Code.BAD_STREAM),
        ((1,), (), Code.BAD_STREAM),
        ((0, 1, 1), (), Code.BAD_STREAM),
        ((0, 1), (0,) * 9, Code.BAD_OUTPUT),
    ],
)
def test_each_row_of_a_decoder_needs_its_stream(
    modules: Mapping[Build, bytes],
    llama: Made,
    streams: tuple[int, ...],
    wanted: tuple[int, ...],
    code: Code,
) -> None:
    model = llama.open(modules["relaxed"], DECODER)
    model.run([[3], [4]], streams=(1, 0))  # these must not be used again
    with pytest.raises(EngineError) as caught:
        model.run([[1], [2]], streams=streams, wanted=wanted)
    assert caught.value.code is code
    assert (model.cached(0), model.cached(1)) == (1, 1)


def test_an_encoder_has_neither_streams_nor_wanted_rows(
    modules: Mapping[Build, bytes], bert: Made
) -> None:
    model = bert.open(modules["relaxed"], ENCODER)
    with pytest.raises(EngineError, match="BAD_STREAM"):
        model.run([[1]], streams=[0])
    with pytest.raises(EngineError, match="BAD_OUTPUT"):
        model.run([[1]], wanted=[0])


def test_a_trap_says_why(modules: Mapping[Build, bytes], bert: Made) -> None:
    model = bert.open(modules["debug"], ENCODER)
    model._view(model._ids - 64, 4)[:] = 0  # a guard, which the first operation finds
    assert model.guards_broken == 1
    with pytest.raises(EngineError, match=r"^engine_run: wasm trap: .*unreachable") as caught:
        model.run([[1]])
    assert caught.value.code is None


def test_limits_that_are_refused_have_no_word(modules: Mapping[Build, bytes], bert: Made) -> None:
    with pytest.raises(EngineError, match=r"^engine_open: BAD_LIMITS$"):
        bert.open(modules["relaxed"], RunLimits(0))


def test_a_text_can_be_rewound_and_forked(modules: Mapping[Build, bytes], llama: Made) -> None:
    model = llama.open(modules["relaxed"], DECODER)
    whole = model.run([[1, 2, 3, 4]], streams=(0,), wanted=range(4))
    model.fork(0, 1)
    model.rewind(2)
    assert (model.cached(0), model.cached(1)) == (2, 4)
    again = model.run([[3, 4]], streams=(0,))
    np.testing.assert_allclose(again[0], whole[3], atol=1e-4)
    one, two = model.run([[5]], streams=(0,)), model.run([[5]], streams=(1,))
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_a_full_cache_is_told(modules: Mapping[Build, bytes], llama: Made) -> None:
    model = llama.open(modules["relaxed"], replace(DECODER, cache_tokens=4))
    with pytest.raises(EngineError, match="engine_run: CACHE_FULL"):
        model.run([[1, 2, 3, 4, 5]], streams=(0,))


def test_the_best_ids_come_with_their_log_probabilities(
    modules: Mapping[Build, bytes], llama: Made
) -> None:
    model = llama.open(modules["relaxed"], DECODER)
    [logits] = model.run([[1, 2, 3]], streams=(0,)).astype(np.float64)
    expected = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
    found = model.top(0, 3)
    order = np.argsort(-logits, kind="stable")[:3]
    assert [scored.id for scored in found] == list(order)
    np.testing.assert_allclose(
        [scored.log_probability for scored in found], expected[order], atol=1e-4
    )


def test_the_engines_own_loop_gives_what_single_steps_give(
    modules: Mapping[Build, bytes], llama: Made
) -> None:
    model = llama.open(modules["relaxed"], DECODER)
    logits = model.run([[1, 2, 3]], streams=(0,))
    generated = model.generate(Mode.TOP, 5)
    assert model.cached() == 3
    stepped = []
    for _ in range(5):
        stepped.append(int(logits[0].argmax()))
        logits = model.run([[stepped[-1]]], streams=(0,))
    assert [scored.id for scored in generated.best] == stepped
    assert [row[0].id for row in generated.top] == stepped
    assert generated.second == ()
    model.rewind(2)
    model.run([[3]], streams=(0,))
    beams = model.generate(Mode.BEAM_2, 5)
    assert len(beams.best) == len(beams.second) == 5
    assert beams.best != beams.second
