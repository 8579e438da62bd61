"""``runtime.json``: what the installed extension knows about its models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from extbuild.artifacts import ShardedBlob, ShardedModel
from extbuild.config.runtime import (
    EngineModel,
    EngineVariants,
    FileEntry,
    ModelFiles,
    Models,
    OrtFlavour,
    OrtModel,
    Runtime,
    ShardEntry,
    WebGpu,
    WeightsBlob,
)
from extbuild.config.schema import ExtensionConfig
from extbuild.files import sha256_file
from extbuild.shard.write import (
    GOLDEN_FILE,
    GRAPH_F16_FILE,
    GRAPH_FILE,
    PROGRAM_FILE,
    TOKENIZER_FILE,
)


@dataclass(frozen=True, slots=True)
class RuntimeModel:
    """A sharded model with what its runtime description needs besides.

    `values` are the fields of `ModerationRuntime` or `CompletionRuntime` other than ``files`` and
    ``webgpu``.
    """

    sharded: ShardedModel
    params: int
    webgpu: WebGpu
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a package has to bring along for its models. `ort` is the flavour that it needs."""

    engine: bool
    ort: OrtFlavour | None


def needs_of(models: Sequence[RuntimeModel]) -> Needs:
    """The engine where a model has files for it, and ONNX Runtime Web likewise.

    A GPU may be used only by a model that was packed for one; then the package needs the larger
    flavour, which also runs on CPUs.
    """
    with_ort = [model for model in models if model.sharded.ort is not None]
    flavour: OrtFlavour | None = "wasm" if with_ort else None
    if any(model.webgpu != "never" for model in with_ort):
        flavour = "webgpu"
    return Needs(any(model.sharded.engine is not None for model in models), flavour)


def make_runtime(
    extension: ExtensionConfig,
    version: str,
    models: Sequence[RuntimeModel],
    engine: EngineVariants | None,
) -> Runtime:
    """The whole description; a feature whose model is not among `models` is null."""
    described = {
        model.sharded.task: {"files": _files(model), "webgpu": model.webgpu, **model.values}
        for model in models
    }
    return Runtime(
        name=extension.name,
        version=version,
        models=Models.model_validate({"moderation": None, "completion": None, **described}),
        engine=engine,
        ort=needs_of(models).ort,
        idle_unload_seconds=extension.idle_unload_seconds,
        lying_backend=extension.lying_backend,
    )


def runtime_text(runtime: Runtime) -> str:
    """The file's text: one line per value, keys in the order of their declaration."""
    return runtime.model_dump_json(indent=1) + "\n"


def model_folder(name: str) -> str:
    """Where a model lies in the package."""
    return f"models/{name}"


def file_entry(root: Path, file: str) -> FileEntry:
    """The entry of `file`, a path below the package's root `root`."""
    path = root / file
    return FileEntry(file=file, bytes=path.stat().st_size, sha256=sha256_file(path))


def _files(model: RuntimeModel) -> ModelFiles:
    sharded = model.sharded
    folder = model_folder(sharded.name)

    def entry(file: str) -> FileEntry:
        found = file_entry(sharded.directory, file)
        return found.model_copy(update={"file": f"{folder}/{file}"})

    def blob(weights: ShardedBlob) -> WeightsBlob:
        return WeightsBlob(
            bytes=weights.bytes,
            shards=tuple(
                ShardEntry(
                    file=f"{folder}/{shard.file}",
                    offset=shard.offset,
                    bytes=shard.bytes,
                    sha256=shard.sha256,
                )
                for shard in weights.shards
            ),
        )

    engine = ort = None
    if sharded.engine is not None:
        engine = EngineModel(program=entry(PROGRAM_FILE), weights=blob(sharded.engine))
    if sharded.ort is not None:
        f16 = (sharded.directory / GRAPH_F16_FILE).is_file()
        ort = OrtModel(
            graph=entry(GRAPH_FILE),
            graph_f16=entry(GRAPH_F16_FILE) if f16 else None,
            weights=blob(sharded.ort),
        )
    return ModelFiles(
        sha256=sharded.sha256,
        params=model.params,
        tokenizer=entry(TOKENIZER_FILE),
        golden=entry(GOLDEN_FILE),
        engine=engine,
        ort=ort,
    )
