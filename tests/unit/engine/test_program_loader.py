"""What is not a right Program is refused by the engine and by `parse`, and never run."""

import struct
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extbuild.bundle.engine import Build
from extbuild.compile.program import (
    HEADER_WORDS,
    NONE,
    NOTHING,
    OP_WORDS,
    SLOT_WORDS,
    WEIGHT_WORDS,
    Flag,
    Op,
    Operand,
    Operation,
    Program,
    serialize,
)
from extbuild.compile.program_check import parse
from extbuild.engine.codes import Code, EngineError
from extbuild.engine.host import EngineModel, RunLimits
from extbuild.errors import CompileError
from tests.unit.engine.programs import Made, tiny_bert, tiny_llama

MADE: dict[str, tuple[Made, RunLimits]] = {
    "encoder": (tiny_bert(), RunLimits(16, 4)),
    "decoder": (tiny_llama(positions=64), RunLimits(16, 2, 4, streams=2, cache_tokens=64)),
}
HOSTILE = (0, 1, 2, 3, 7, 63, 64, 255, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, NONE)


def words_of(program: Program) -> list[int]:
    data = serialize(program)
    return list(struct.unpack(f"<{len(data) // 4}I", data))


def as_bytes(words: list[int]) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def refusal(module: bytes, data: bytes, made: Made, limits: RunLimits) -> EngineError | None:
    """Why the engine does not open it. What it opens, it must be able to run."""
    try:
        model = EngineModel(module, data, made.blob, limits)
    except EngineError as error:
        return None if error.code is None else error  # a trap is no refusal
    code: Code | None = Code.OK
    try:
        model.run([[1, 2, 0], [0]], streams=[1, 0] if limits.streams else [])
    except EngineError as error:
        code = error.code
    assert code in (Code.OK, Code.NOT_FINITE, Code.BAD_ID, Code.TOO_LONG)
    assert model.guards_broken == 0
    return None


def parsed(data: bytes) -> bool:
    try:
        parse(data)
    except CompileError as error:
        return not str(error).startswith("program.bin: word ")
    return True


@pytest.mark.parametrize("kind", MADE)
def test_a_program_survives_the_way_there_and_back(kind: str) -> None:
    program = MADE[kind][0].program
    back = parse(serialize(program))
    assert serialize(back) == serialize(program)


@pytest.mark.parametrize("kind", MADE)
def test_every_truncated_program_is_refused(modules: Mapping[Build, bytes], kind: str) -> None:
    made, limits = MADE[kind]
    data = serialize(made.program)
    for length in (*range(0, 72), *range(72, len(data), 52), len(data) - 4, len(data) - 1):
        assert not parsed(data[:length])
        error = refusal(modules["debug"], data[:length], made, limits)
        assert error is not None
        assert error.code == Code.NOT_A_PROGRAM
    longer = data + bytes(4)
    assert not parsed(longer)
    assert refusal(modules["debug"], longer, made, limits) is not None


@pytest.mark.parametrize("kind", MADE)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_engine_and_parse_refuse_the_same(
    modules: Mapping[Build, bytes], kind: str, data: st.DataObject
) -> None:
    made, limits = MADE[kind]
    words = words_of(made.program)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(words) - 1))
        flipped = st.integers(0, 31).map(lambda bit, at=at: words[at] ^ (1 << bit))
        near = st.integers(-2, 2).map(lambda step, at=at: (words[at] + step) % (1 << 32))
        words[at] = data.draw(st.one_of(st.sampled_from(HOSTILE), flipped, near))
    mutated = as_bytes(words)
    error = refusal(modules["debug"], mutated, made, limits)
    sized = error is not None and error.code in (Code.BAD_LIMITS, Code.NO_MEMORY)
    blob = error is not None and error.word == 4 and error.code == Code.BAD_HEADER
    if not sized and not blob:  # these two depend on what open was given, not on the file
        assert parsed(mutated) == (error is None), error


def operation(made: Made, op: Op, index: int = 0) -> tuple[int, Operation]:
    """Place and value of the ``index``-th operation of a kind."""
    found = [(at, one) for at, one in enumerate(made.program.operations) if one.op == op]
    return found[index]


def with_operation(made: Made, place: int, one: Operation) -> Program:
    operations = list(made.program.operations)
    operations[place] = one
    return replace(made.program, operations=operations)


def first_word(program: Program, place: int) -> int:
    tables = WEIGHT_WORDS * len(program.weights) + SLOT_WORDS * len(program.slots)
    return HEADER_WORDS + tables + OP_WORDS * place


LLAMA, LLAMA_LIMITS = MADE["decoder"]
# What is changed in the first operation of a kind (or the second), and the word of it that is then
# wrong.
SECOND = ("overlapping linear", "a layer used twice")
WRONG: dict[str, tuple[Op, dict[str, object], int]] = {
    "overlapping linear": (Op.LINEAR, {"a": Operand(0, 0)}, 3),
    "input not written yet": (Op.NORM, {"a": Operand(1, 0)}, 3),
    "columns beyond the slot": (Op.LINEAR, {"dst": Operand(2, 1)}, 2),
    "a column that overflows": (Op.LINEAR, {"dst": Operand(2, NONE)}, 2),
    "no such slot": (Op.GLU, {"b": Operand(99, 0)}, 5),
    "an operand too many": (Op.EMBED, {"a": Operand(0, 0)}, 3),
    "rows of another kind": (Op.POOL, {"dst": Operand(1, 0)}, 1),
    "a layer used twice": (Op.ATTENTION, {"p": (6, 2, 8, 0, 0)}, 15),
    "heads that do not divide": (Op.ATTENTION, {"p": (5, 2, 8, 0, 0)}, 12),
    "a matrix as a vector": (Op.NORM, {"w0": 0}, 9),
    "a vector as a matrix": (Op.EMBED, {"w0": 1}, 9),
    "a bias of another width": (Op.LINEAR, {"w1": 1}, 10),
    "an odd rotary dimension": (Op.ROPE, {"p": (6, 8, 7, 0, 0)}, 13),
    "rope to another place": (Op.ROPE, {"dst": Operand(2, 8)}, 2),
    "an eps that is not a number": (Op.NORM, {"p": (1, 0x7FC00000, 1, 0, 0)}, 12),
    "an unknown activation": (Op.GLU, {"p": (7, 40, 0, 0, 0)}, 11),
    "an unused parameter": (Op.LINEAR, {"p": (0, 0, 0, 0, 5)}, 15),
    "a gated width of nothing": (Op.GLU, {"p": (3, 0, 0, 0, 0)}, 12),
    "positions without a table": (Op.EMBED, {"p": (1, 0, 0, 0, 0)}, 11),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_operation_is_refused_at_its_word(
    modules: Mapping[Build, bytes], case: str
) -> None:
    op, change, word = WRONG[case]
    place, one = operation(LLAMA, op, 1 if case in SECOND else 0)
    program = with_operation(LLAMA, place, replace(one, **change))
    at = first_word(program, place) + word
    with pytest.raises(CompileError, match=f"^program.bin: word {at}:"):
        parse(serialize(program))
    error = refusal(modules["debug"], serialize(program), LLAMA, LLAMA_LIMITS)
    assert error is not None
    assert (error.code, error.word) == (Code.BAD_OPERATION, at)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"rows": 0}, 1),
        ({"cols": 70000}, 2),
        ({"block": 16}, 3),
        ({"flags": Flag.SEVEN_BIT}, 3),
        ({"data_offset": 4}, 5),
        ({"data_offset": 0xFFFFFFC0}, 5),
        ({"data_bytes": 64}, 6),
        ({"scale_bytes": 64}, 8),
        ({"zero_offset": 64}, 9),
    ],
)
def test_a_wrong_weight_is_refused(
    modules: Mapping[Build, bytes], change: dict[str, int], word: int
) -> None:
    weights = [replace(LLAMA.program.weights[0], **change), *LLAMA.program.weights[1:]]
    program = replace(LLAMA.program, weights=weights)
    at = HEADER_WORDS + word
    with pytest.raises(CompileError, match=f"^program.bin: word {at}:"):
        parse(serialize(program))
    error = refusal(modules["debug"], serialize(program), LLAMA, LLAMA_LIMITS)
    assert error is not None
    assert (error.code, error.word) == (Code.BAD_WEIGHT, at)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (RunLimits(0, 1, 1, 1, 8), Code.BAD_LIMITS),
        (RunLimits(8, 9, 9, 9, 8), Code.BAD_LIMITS),
        (RunLimits(8, 2, 1, 2, 8), Code.BAD_LIMITS),
        (RunLimits(8, 1, 1, 0, 8), Code.BAD_LIMITS),
        (RunLimits(8, 1, 1, 1, 0), Code.BAD_LIMITS),
        (RunLimits(NONE, NONE, NONE, NONE, NONE), Code.BAD_LIMITS),
        (RunLimits(8, 1, 1, 1 << 20, 1 << 20), Code.NO_MEMORY),
        (RunLimits(1 << 24, 1, 1, 1, 8), Code.NO_MEMORY),
    ],
)
def test_impossible_limits_are_refused(
    modules: Mapping[Build, bytes], limits: RunLimits, code: Code
) -> None:
    with pytest.raises(EngineError) as refused:
        LLAMA.open(modules["debug"], limits)
    assert refused.value.code == code


def test_an_encoder_has_no_streams(modules: Mapping[Build, bytes]) -> None:
    with pytest.raises(EngineError, match="BAD_LIMITS"):
        MADE["encoder"][0].open(modules["debug"], RunLimits(8, 1, 0, streams=1))


def test_the_cases_name_operands_that_are_there() -> None:
    assert operation(LLAMA, Op.LINEAR)[1].dst == Operand(2, 0)
    assert operation(LLAMA, Op.EMBED)[1].a == NOTHING
