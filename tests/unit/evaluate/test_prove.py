"""The engine may run a model only if it computes what the compressed graph says."""

import json
from dataclasses import replace

import pytest

from extbuild.artifacts import EngineFiles, Task, Variant
from extbuild.evaluate.prove import prove
from tests.unit.evaluate.conftest import Tiny

TASKS: tuple[Task, ...] = ("moderation", "completion")


@pytest.mark.parametrize("task", TASKS)
def test_every_variant_is_compared_and_found_near(tiny: dict[Task, Tiny], task: Task) -> None:
    model = tiny[task]
    proof = prove(model.reference, model.variants, model.settings, model.fixtures)
    assert proof.fault is None
    assert set(proof.max_error) == {"simd", "relaxed", "threads"}
    assert all(0 <= error <= proof.tolerance for error in proof.max_error.values())
    assert proof.arena_bytes is not None
    assert proof.arena_bytes > 0
    assert json.loads(proof.golden)["tolerance"] == proof.tolerance


def _with(files: EngineFiles, **changes: bytes) -> dict[Variant, EngineFiles]:
    return {"relaxed": replace(files, **changes)}


@pytest.mark.parametrize("task", TASKS)
def test_wrong_weights_are_found(tiny: dict[Task, Tiny], task: Task) -> None:
    model = tiny[task]
    files = model.variants["relaxed"]
    size = len(files.weights)
    # Rows of the embedding table and of the first layers change places.
    turned = files.weights[size // 2 :] + files.weights[: size // 2]
    proof = prove(model.reference, _with(files, weights=turned), model.settings, model.fixtures)
    assert proof.fault is not None
    assert proof.fault.startswith("engine relaxed: ")


def test_a_program_that_the_engine_refuses_is_a_fault_with_its_place(
    tiny: dict[Task, Tiny],
) -> None:
    model = tiny["moderation"]
    files = model.variants["relaxed"]
    other = files.program[:4] + b"\x63" + files.program[5:]
    proof = prove(model.reference, _with(files, program=other), model.settings, model.fixtures)
    assert proof.fault == "engine relaxed: engine_open: NOT_A_PROGRAM at word 1"
    assert proof.max_error == {}


def test_without_the_engine_the_file_is_made_all_the_same(tiny: dict[Task, Tiny]) -> None:
    model = tiny["completion"]
    proof = prove(model.reference, {}, model.settings, model.fixtures)
    assert (proof.fault, proof.arena_bytes, proof.max_error) == (None, None, {})
    assert len(json.loads(proof.golden)["steps"]) == proof.cases
