"""Small values of a build for tests: an extension's configuration and a compiled model."""

from extbuild.artifacts import CompiledModel, EngineFiles, OrtFiles, Task
from extbuild.config.schema import ExtensionConfig

EXTENSION = ExtensionConfig(
    name="Sidelight",
    description="What it does.",
    models=("moderation",),
    targets=("chrome", "firefox"),
    firefox_id="a@example.org",
    chrome_min_version="116",
    firefox_min_version="140.0",
)
ENCODER: dict[str, object] = {
    "labels": ("toxic",),
    "thresholds": {"toxic": 0.5},
    "max_tokens": 64,
    "batch_tokens": 256,
    "pad_id": 3,
}


def compiled_model(
    task: Task = "moderation", *, engine: bytes | None = None, ort: bytes | None = None
) -> CompiledModel:
    """A model with these weights for the engine, for ONNX Runtime Web, or for both."""
    return CompiledModel(
        name=task,
        task=task,
        tokenizer_json=b"{}",
        operators={},
        engine=None if engine is None else EngineFiles(b"program", engine, b"module"),
        ort=None if ort is None else OrtFiles(b"graph", None, ort),
        golden=b"golden",
    )
