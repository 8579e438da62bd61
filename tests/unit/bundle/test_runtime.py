import json
from pathlib import Path

import pytest

from extbuild.artifacts import CompiledModel, Task
from extbuild.bundle.runtime import RuntimeModel, make_runtime, needs_of, runtime_text
from extbuild.config.runtime import OrtFlavour, Runtime, WebGpu
from extbuild.files import sha256_bytes
from extbuild.shard.write import write_model
from tests.packages import ENCODER, EXTENSION, compiled_model

VALUES: dict[Task, dict[str, object]] = {
    "moderation": ENCODER,
    "completion": {
        "layers": 2,
        "kv_heads": 1,
        "head_dim": 8,
        "vocab_size": 100,
        "bos_id": 0,
        "eos_id": 0,
        "context_tokens": 64,
        "max_new_tokens": 8,
        "max_words": 3,
        "min_confidence": 0.25,
    },
}


def _model(directory: Path, compiled: CompiledModel, webgpu: WebGpu = "never") -> RuntimeModel:
    sharded = write_model(compiled, directory / compiled.task, 10)
    return RuntimeModel(sharded, 123, webgpu, VALUES[compiled.task])


def test_paths_hashes_and_sizes_are_those_of_the_package(tmp_path: Path) -> None:
    compiled = compiled_model("moderation", engine=b"w" * 25, ort=b"v" * 5)
    runtime = make_runtime(EXTENSION, "1.2", [_model(tmp_path, compiled)], None)
    assert runtime.models.moderation is not None
    files = runtime.models.moderation.files
    assert files.params == 123
    assert files.golden.sha256 == sha256_bytes(b"golden")
    assert files.engine is not None
    assert files.engine.program.file == "models/moderation/program.bin"
    weights = files.engine.weights
    assert weights.bytes == 25
    assert [shard.file for shard in weights.shards] == [
        f"models/moderation/weights-00{index}.bin" for index in range(3)
    ]
    assert [(shard.offset, shard.bytes) for shard in weights.shards] == [(0, 10), (10, 10), (20, 5)]
    assert files.ort is not None
    assert files.ort.graph.sha256 == sha256_bytes(b"graph")
    assert files.ort.graph_f16 is None
    assert [shard.file for shard in files.ort.weights.shards] == ["models/moderation/graph-000.bin"]


def test_a_backend_without_files_is_null(tmp_path: Path) -> None:
    compiled = compiled_model("completion", engine=b"w")
    runtime = make_runtime(EXTENSION, "1.2", [_model(tmp_path, compiled)], None)
    assert runtime.models.completion is not None
    assert runtime.models.completion.files.ort is None


def test_a_feature_without_its_model_is_null(tmp_path: Path) -> None:
    compiled = compiled_model("completion", engine=b"w")
    runtime = make_runtime(EXTENSION, "1.2", [_model(tmp_path, compiled)], None)
    assert runtime.models.moderation is None
    assert runtime.models.completion is not None
    assert runtime.models.completion.min_confidence == 0.25


@pytest.mark.parametrize(
    ("engine", "ort", "webgpu", "needed"),
    [
        (b"w", None, "never", (True, None)),
        (None, b"w", "never", (False, "wasm")),
        (b"w", b"w", "measure", (True, "webgpu")),
        (b"w", b"w", "always", (True, "webgpu")),
    ],
)
def test_a_package_brings_along_what_its_models_need(
    tmp_path: Path,
    engine: bytes | None,
    ort: bytes | None,
    webgpu: WebGpu,
    needed: tuple[bool, OrtFlavour | None],
) -> None:
    model = _model(tmp_path, compiled_model(engine=engine, ort=ort), webgpu)
    needs = needs_of([model])
    assert (needs.engine, needs.ort) == needed
    assert make_runtime(EXTENSION, "1.0", [model], None).ort == needed[1]


def test_the_text_reads_back_as_the_same_value(tmp_path: Path) -> None:
    models = [
        _model(tmp_path, compiled_model("moderation", engine=b"w")),
        _model(tmp_path, compiled_model("completion", ort=b"w"), "measure"),
    ]
    extension = EXTENSION.model_copy(
        update={"idle_unload_seconds": 7, "lying_backend": "engine-simd"}
    )
    runtime = make_runtime(extension, "1.2", models, None)
    text = runtime_text(runtime)
    assert Runtime.model_validate_json(text) == runtime
    value = json.loads(text)
    assert (value["format"], value["idle_unload_seconds"]) == (2, 7)
    assert value["lying_backend"] == "engine-simd"
    assert value["models"]["completion"]["webgpu"] == "measure"
