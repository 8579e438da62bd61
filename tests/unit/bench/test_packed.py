from dataclasses import replace
from pathlib import Path

import pytest

from extbuild.artifacts import EngineFiles, Variant
from extbuild.bench.packed import read_packed
from extbuild.bundle.engine import write_engine
from extbuild.bundle.runtime import RuntimeModel, make_runtime, model_folder, runtime_text
from extbuild.shard.write import write_model
from extbuild.targets import TARGETS
from tests.packages import ENCODER, EXTENSION, compiled_model

MODULES: dict[Variant, bytes] = {"simd": b"s", "relaxed": b"r", "threads": b"t"}


@pytest.mark.parametrize(
    ("engine", "ort"), [(b"e" * 25, None), (None, b"o" * 25), (b"e" * 25, b"o" * 25)]
)
def test_a_packed_model_is_read_back_as_it_was_compiled(
    tmp_path: Path, engine: bytes | None, ort: bytes | None
) -> None:
    compiled = compiled_model(engine=engine, ort=ort)
    if compiled.engine is not None:
        files = EngineFiles(compiled.engine.program, compiled.engine.weights, MODULES["relaxed"])
        compiled = replace(compiled, engine=files)
    sharded = write_model(compiled, tmp_path / model_folder("moderation"), 10)
    described = RuntimeModel(sharded, 7, "never", ENCODER)
    variants = write_engine(MODULES, TARGETS["firefox"], tmp_path)
    runtime = make_runtime(EXTENSION, "1.0", [described], variants)
    (tmp_path / "runtime.json").write_text(runtime_text(runtime))
    packed = read_packed(tmp_path)
    assert packed.completion is None
    assert packed.moderation is not None
    assert packed.moderation[1] == compiled
