"""``runtime.json``: what the installed extension knows about its models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from extbuild.artifacts import ShardedModel
from extbuild.config.runtime import (
    FileEntry,
    ModelFiles,
    Models,
    Runtime,
    ShardEntry,
)
from extbuild.files import sha256_file
from extbuild.shard.write import GRAPH_FILE, TOKENIZER_FILE


@dataclass(frozen=True, slots=True)
class RuntimeModel:
    """A sharded model with what its runtime description needs besides.

    `values` are the fields of `ModerationRuntime` or `CompletionRuntime` other than ``files``.
    """

    sharded: ShardedModel
    params: int
    values: Mapping[str, object]


def make_runtime(name: str, version: str, models: Sequence[RuntimeModel]) -> Runtime:
    """The whole description; a feature whose model is not among `models` is null."""
    described = {model.sharded.task: {"files": _files(model), **model.values} for model in models}
    return Runtime(
        name=name,
        version=version,
        models=Models.model_validate({"moderation": None, "completion": None, **described}),
    )


def runtime_text(runtime: Runtime) -> str:
    """The file's text: one line per value, keys in the order of their declaration."""
    return runtime.model_dump_json(indent=1) + "\n"


def model_folder(name: str) -> str:
    """Where a model lies in the package."""
    return f"models/{name}"


def _files(model: RuntimeModel) -> ModelFiles:
    sharded = model.sharded
    folder = model_folder(sharded.name)

    def entry(file: str) -> FileEntry:
        path = sharded.directory / file
        return FileEntry(
            file=f"{folder}/{file}", bytes=path.stat().st_size, sha256=sha256_file(path)
        )

    return ModelFiles(
        sha256=sharded.sha256,
        params=model.params,
        graph=entry(GRAPH_FILE),
        tokenizer=entry(TOKENIZER_FILE),
        weights_bytes=sharded.weights_bytes,
        shards=tuple(
            ShardEntry(
                file=f"{folder}/{shard.file}",
                offset=shard.offset,
                bytes=shard.bytes,
                sha256=shard.sha256,
            )
            for shard in sharded.shards
        ),
    )
