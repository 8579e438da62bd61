import pickle
import re
from pathlib import Path

from extbuild.engine.codes import MAX_STEPS, STEP_TOP, VERSION, Code, EngineError, Mode


def _header(root: Path) -> str:
    return (root / "extension_src/engine/engine.h").read_text()


def _values(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"ENGINE_(\w+) = (-?\d+)", text)}


def test_codes_and_modes_are_those_of_the_header(root: Path) -> None:
    assert _values(_header(root)) == {
        value.name: int(value) for kind in (Code, Mode) for value in kind
    }


def test_sizes_are_those_of_the_header(root: Path) -> None:
    found = dict(re.findall(r"#define ENGINE_(\w+) (\d+)", _header(root)))
    assert found["VERSION"] == str(VERSION)
    assert found["MAX_STEPS"] == str(MAX_STEPS)
    assert found["STEP_TOP"] == str(STEP_TOP)


def test_an_error_names_its_code_and_place() -> None:
    error = EngineError("engine_open", -5, word=31)
    assert str(error) == "engine_open: BAD_OPERATION at word 31"
    assert error.code is Code.BAD_OPERATION
    assert str(EngineError("engine_run", -99)) == "engine_run: code -99"
    assert str(EngineError("engine_run", None, said="unreachable")) == "engine_run: unreachable"


def test_an_error_survives_the_way_between_processes() -> None:
    for error in (
        EngineError("engine_open", Code.BAD_SLOT, word=7),
        EngineError("engine_run", None, said="out of bounds memory access"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.code, again.word) == (str(error), error.code, error.word)
