import json
from pathlib import Path

from extbuild.artifacts import CompiledModel, Task
from extbuild.bundle.runtime import RuntimeModel, make_runtime, runtime_text
from extbuild.config.runtime import Runtime
from extbuild.files import sha256_bytes
from extbuild.shard.write import write_model

VALUES: dict[Task, dict[str, object]] = {
    "moderation": {
        "labels": ("toxic",),
        "thresholds": {"toxic": 0.5},
        "max_tokens": 64,
        "batch_tokens": 256,
        "pad_id": 3,
    },
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


def _model(directory: Path, task: Task) -> RuntimeModel:
    compiled = CompiledModel(task, task, b"graph", b"w" * 25, b"{}", {})
    return RuntimeModel(write_model(compiled, directory / task, 10), 123, VALUES[task])


def test_paths_hashes_and_sizes_are_those_of_the_package(tmp_path: Path) -> None:
    model = _model(tmp_path, "moderation")
    runtime = make_runtime("Sidelight", "1.2", [model])
    assert runtime.models.moderation is not None
    files = runtime.models.moderation.files
    assert files.graph.file == "models/moderation/graph.onnx"
    assert files.graph.sha256 == sha256_bytes(b"graph")
    assert [shard.file for shard in files.shards] == [
        f"models/moderation/weights-00{index}.bin" for index in range(3)
    ]
    assert [(shard.offset, shard.bytes) for shard in files.shards] == [(0, 10), (10, 10), (20, 5)]
    assert (files.params, files.weights_bytes) == (123, 25)


def test_a_feature_without_its_model_is_null(tmp_path: Path) -> None:
    runtime = make_runtime("Sidelight", "1.2", [_model(tmp_path, "completion")])
    assert runtime.models.moderation is None
    assert runtime.models.completion is not None
    assert runtime.models.completion.min_confidence == 0.25


def test_the_text_reads_back_as_the_same_value(tmp_path: Path) -> None:
    models = [_model(tmp_path, "moderation"), _model(tmp_path, "completion")]
    runtime = make_runtime("Sidelight", "1.2", models)
    text = runtime_text(runtime)
    assert Runtime.model_validate_json(text) == runtime
    assert json.loads(text)["format"] == 1
