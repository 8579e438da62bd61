"""Choosing tokens inside the engine against numpy."""

import numpy as np
import pytest

from extbuild.compile.layouts import pack_float
from extbuild.compile.program import Op, Operand, Pool, Rows
from extbuild.engine.codes import MAX_STEPS, EngineError, Mode
from extbuild.engine.host import EngineModel, RunLimits
from tests.unit.engine.programs import Builder, Made, tiny_llama
from tests.unit.engine.reference import Float64, Reference

LIMITS = RunLimits(64, 2, 64, streams=2, cache_tokens=64)
PROMPT = [7, 3, 21, 40, 2]
LLAMAS = {seed: tiny_llama(seed) for seed in range(20, 26)}


def log_softmax(row: Float64) -> Float64:
    below: Float64 = row - row.max()
    return below - np.log(np.exp(below).sum())


class Texts:
    """Log-probabilities of the next token after any text, from the reference."""

    def __init__(self, made: Made) -> None:
        self._reference = Reference(made, streams=1)

    def after(self, text: tuple[int, ...]) -> Float64:
        self._reference.rewind(0)
        return log_softmax(self._reference.run([text], streams=[0])[0])


def table(logits: np.ndarray) -> Made:
    """A decoder whose logits are a row of a table, chosen by the last token."""
    vocab, width = logits.shape
    b = Builder()
    x, y, out = b.slot(4), b.slot(width), b.slot(width, Rows.OUTPUTS)
    b.op(Op.EMBED, x, w=(b.matrix(vocab, 4),))
    b.op(Op.ATTENTION, b.slot(4), x, x, x, p=(1, 1, 4, 1.0, 0))
    b.op(Op.EMBED, y, w=(b.pack(pack_float(logits)),))
    b.op(Op.POOL, out, y, p=(Pool.GATHER, width))
    return b.made(Operand(out.slot), vocab=vocab, cache=(1, 1, 4))


def started(made: Made, module: bytes, limits: RunLimits = LIMITS) -> EngineModel:
    model = made.open(module, limits)
    model.run([PROMPT], streams=[0])
    return model


@pytest.mark.parametrize("width", [1, 5, 64, 1003])
def test_the_best_scores_are_those_of_numpy(module: bytes, width: int) -> None:
    rng = np.random.default_rng(width)
    logits = (rng.normal(0, 30, (6, width))).astype(np.float32)
    logits[0] = 2.5  # all the same
    logits[1, ::3] = 90  # ties at the top
    model = table(logits).open(module, LIMITS)
    model.run([[0, 1, 2, 3, 4, 5]], streams=[0], wanted=range(6))
    for row in range(6):
        expected = log_softmax(logits[row].astype(np.float64))
        order = np.argsort(-logits[row], kind="stable")
        for k in {1, min(8, width), min(64, width)}:
            found = model.top(row, k)
            assert [one.id for one in found] == order[:k].tolist()
            values = [one.log_probability for one in found]
            np.testing.assert_allclose(values, expected[order[:k]], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(("row", "k"), [(1, 1), (0, 0), (0, 65), (0, 51)])
def test_scores_of_what_is_not_there_are_refused(module: bytes, row: int, k: int) -> None:
    with pytest.raises(EngineError):
        started(LLAMAS[20], module).top(row, k)


def test_greedy_text_is_that_of_numpy(module: bytes) -> None:
    texts, model = Texts(LLAMAS[21]), started(LLAMAS[21], module)
    text: tuple[int, ...] = tuple(PROMPT)
    for token in model.generate(Mode.GREEDY, 12).best:
        scores = texts.after(text)
        assert token.id == scores.argmax()
        assert token.log_probability == pytest.approx(scores.max(), abs=1e-4)
        text += (token.id,)
    assert len(text) == len(PROMPT) + 12
    assert model.cached() == len(PROMPT)


def test_alternatives_are_given_for_each_step(module: bytes) -> None:
    texts, model = Texts(LLAMAS[22]), started(LLAMAS[22], module)
    found = model.generate(Mode.TOP, 5)
    text: tuple[int, ...] = tuple(PROMPT)
    for token, top in zip(found.best, found.top, strict=True):
        assert top[0] == token
        assert [one.id for one in top] == np.argsort(-texts.after(text))[:8].tolist()
        text += (token.id,)


def test_generation_ends_after_the_end_id(module: bytes) -> None:
    model = started(LLAMAS[21], module)
    whole = [token.id for token in model.generate(Mode.GREEDY, 12).best]
    end = whole[4]
    model.rewind(len(PROMPT) - 1)
    model.run([PROMPT[-1:]], streams=[0])
    found = [token.id for token in model.generate(Mode.GREEDY, 12, end).best]
    assert found == whole[: whole.index(end) + 1]


def beam_search(texts: Texts, steps: int, end: int | None) -> list[tuple[float, tuple[int, ...]]]:
    """Two beams, the sum of log-probabilities, an ended path stays as it is."""
    beams: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for _ in range(steps):
        grown = []
        for total, path in beams:
            if path and path[-1] == end:
                grown.append((total, path))
                continue
            scores = texts.after((*PROMPT, *path))
            grown += [(total + scores[i], (*path, int(i))) for i in range(len(scores))]
        beams = sorted(grown, key=lambda beam: -beam[0])[:2]
    return beams


@pytest.mark.parametrize("seed", LLAMAS)
def test_two_beams_are_those_of_a_search_in_numpy(module: bytes, seed: int) -> None:
    texts = Texts(LLAMAS[seed])
    ends = {None, *(path[3] for _, path in beam_search(texts, 6, None))}
    for end in ends:
        model = started(LLAMAS[seed], module)
        found = model.generate(Mode.BEAM_2, 6, end)
        for (total, path), mine in zip(
            beam_search(texts, 6, end), (found.best, found.second), strict=True
        ):
            assert tuple(token.id for token in mine) == path
            assert sum(token.log_probability for token in mine) == pytest.approx(total, abs=1e-3)
        assert model.cached(0) == len(PROMPT)


def test_a_stream_is_unchanged_by_generation(module: bytes) -> None:
    model, fresh = started(LLAMAS[23], module), started(LLAMAS[23], module)
    model.generate(Mode.BEAM_2, 9)
    after, plain = (one.run([[4, 4]], streams=[0]) for one in (model, fresh))
    assert np.array_equal(after, plain)


@pytest.mark.parametrize("mode", Mode)
def test_generation_ends_where_the_cache_does(module: bytes, mode: Mode) -> None:
    limits = RunLimits(16, 2, 16, streams=2, cache_tokens=len(PROMPT) + 3)
    found = started(LLAMAS[24], module, limits).generate(mode, 50)
    assert len(found.best) == 4  # three fit the cache, the fourth is never run


def test_generation_needs_the_last_run_of_stream_0(module: bytes) -> None:
    model = LLAMAS[25].open(module, LIMITS)
    model.run([PROMPT, PROMPT], streams=[1, 0])
    with pytest.raises(EngineError, match="BAD_ARGUMENT"):
        model.generate(Mode.GREEDY, 3)
    model.run([PROMPT], streams=[0], wanted=[0])
    with pytest.raises(EngineError, match="BAD_ARGUMENT"):
        model.generate(Mode.GREEDY, 3)


def test_two_beams_need_two_streams(module: bytes) -> None:
    model = started(LLAMAS[25], module, RunLimits(16, 1, 16, streams=1, cache_tokens=16))
    with pytest.raises(EngineError, match="BAD_ARGUMENT"):
        model.generate(Mode.BEAM_2, 3)


@pytest.mark.parametrize("mode", Mode)
def test_generation_ends_where_the_positions_do(module: bytes, mode: Mode) -> None:
    made = tiny_llama(24, positions=len(PROMPT) + 2)
    assert len(started(made, module).generate(mode, 50).best) == 3


@pytest.mark.parametrize("mode", Mode)
def test_as_many_steps_as_there_can_be(module: bytes, mode: Mode) -> None:
    limits = RunLimits(16, 2, 16, streams=2, cache_tokens=400)
    found = started(LLAMAS[22], module, limits).generate(mode, MAX_STEPS)
    assert len(found.best) == MAX_STEPS
    assert len(found.second) == (MAX_STEPS if mode == Mode.BEAM_2 else 0)
    assert len(found.top) == (MAX_STEPS if mode == Mode.TOP else 0)


@pytest.mark.parametrize("steps", [0, MAX_STEPS + 1, 0xFFFFFFFF])
def test_steps_that_cannot_be_are_refused(module: bytes, steps: int) -> None:
    model = started(LLAMAS[22], module)
    with pytest.raises(EngineError, match="BAD_ARGUMENT"):
        model.generate(Mode.GREEDY, steps)
    assert len(model.generate(Mode.GREEDY, 1).best) == 1  # the run is not lost by it


@pytest.mark.parametrize("mode", Mode)
def test_a_result_that_is_not_finite_ends_generation(module: bytes, mode: Mode) -> None:
    logits = np.zeros((8, 8), np.float32)
    logits[:, 3], logits[3, :] = 1, 12345.75
    logits[3, 1:] = 0
    model = table(logits).with_value(12345.75, np.inf).open(module, LIMITS)
    model.run([[1]], streams=[0])
    with pytest.raises(EngineError, match="engine_generate: NOT_FINITE"):
        model.generate(mode, 5)
    assert model.cached() == 1
    assert model.run([[1]], streams=[0]).argmax() == 3


@pytest.mark.parametrize("mode", Mode)
def test_a_result_without_an_id_ends_generation(module: bytes, mode: Mode) -> None:
    """A model whose logits are more than its ids, and the best of them has none."""
    logits = np.zeros((4, 9), np.float32)
    logits[:, 7] = 5
    model = table(logits).open(module, LIMITS)
    model.run([[1]], streams=[0])
    assert [one.id for one in model.top(0, 1)] == [7]
    with pytest.raises(EngineError, match="engine_generate: BAD_ID"):
        model.generate(mode, 5)
    assert model.cached() == 1


@pytest.mark.parametrize("mode", Mode)
def test_a_vocabulary_of_one(module: bytes, mode: Mode) -> None:
    model = table(np.ones((1, 1), np.float32)).open(module, LIMITS)
    model.run([[0]], streams=[0])
    found = model.generate(mode, 4)
    assert [(one.id, one.log_probability) for one in found.best] == [(0, 0.0)] * 4
    assert found.second == ()
    assert all(len(row) == 1 for row in found.top)
