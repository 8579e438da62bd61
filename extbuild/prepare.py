"""One model from its folder to what ships: loaded, compressed, compiled and judged.

`inv build` packs the result and `inv eval` measures it, so both go through here. Compressing and
judging are the slow stages, and both are cached.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from extbuild.artifacts import CompiledModel, CompressedModel, PassReport, QualityMetric
from extbuild.cache import Cache, Entry, cache_key
from extbuild.compile.coverage import check_coverage
from extbuild.compile.ort import compile_for_ort
from extbuild.compress.run import compress
from extbuild.config.load import ModelEntry
from extbuild.errors import ConfigError, ContractError, SourceError
from extbuild.evaluate.gate import judge, require_possible
from extbuild.evaluate.run import measure
from extbuild.evaluate.settings import Settings, completion_settings, moderation_settings
from extbuild.files import list_files, sha256_file
from extbuild.progress import Stages
from extbuild.source.load import load_source

_COMPILE_CODE = (
    "extbuild.artifacts",
    "extbuild.compile",
    "extbuild.compress",
    "extbuild.config.recipe",
    "extbuild.ort",
    "extbuild.prepare",
    "extbuild.source",
)
_LIBRARIES = ("numpy", "onnx", "onnx-ir", "onnxruntime", "safetensors", "tokenizers")


class _Made(BaseModel):
    """What a cache entry of a compiled model says about it, beside its files."""

    config: dict[str, object]
    operators: dict[str, int]
    params: int
    passes: tuple[PassReport, ...]
    source_bytes: int


class _Figures(BaseModel):
    """What a cache entry of an evaluation says."""

    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A compiled model with the story of how it came about.

    `settings` is what the runtime description and the evaluation need besides the files.
    `passes` has one report per pass. `seconds` in them are those of the run that made the result.
    """

    entry: ModelEntry
    compiled: CompiledModel
    settings: Settings
    params: int
    source_bytes: int
    passes: tuple[PassReport, ...]

    @property
    def parts(self) -> Mapping[str, int]:
        """Bytes of what is packed, before the archive compresses it."""
        model = self.compiled
        return {
            "graph": len(model.graph),
            "tokenizer": len(model.tokenizer_json),
            "weights": len(model.weights),
        }

    @property
    def packed_bytes(self) -> int:
        """Graph, tokenizer and weights together: what the budget is about."""
        return sum(self.parts.values())


def prepare(entry: ModelEntry, cache: Cache, stages: Stages) -> PreparedModel:
    """Load, compress and compile the model of `entry`, or take the result from `cache`."""
    name, task = entry.name, entry.recipe.task
    names = [f"{verb} {name}" for verb in ("load", "compress", "compile")]

    def make(folder: Path) -> Mapping[str, object]:
        with stages.stage(names[0]):
            source = load_source(entry.source_directory, name, task)
            check_coverage(name, source.graph)
            require_possible(f"{entry.place}: budget", source.params, entry.recipe.budget)
        with stages.stage(names[1]) as step:
            compressed = compress(source, entry.recipe.passes, step)
        with stages.stage(names[2]):
            compiled = compile_for_ort(compressed)
        _write(compiled, folder)
        return _Made(
            config=dict(source.config),
            operators=dict(compiled.operators),
            params=source.params,
            passes=compressed.reports,
            source_bytes=source.source_bytes,
        ).model_dump(mode="json")

    found = cache.get(_compile_key(entry), make)
    if found.cached:
        for stage in names:
            stages.found(stage)
    return _prepared(entry, found)


def quality(prepared: PreparedModel, cache: Cache, stages: Stages) -> Mapping[str, QualityMetric]:
    """Every metric on the recipe's fixtures before and after compression, against its gate.

    The figures are cached without the gates, which may change without measuring again.
    """
    entry = prepared.entry
    if not entry.fixtures.is_file():
        raise ConfigError(
            f"{entry.place}: fixtures",
            "names no file",
            found=repr(entry.recipe.fixtures),
            do="add labelled texts, one JSON object per line",
        )
    stage = f"evaluate {entry.name}"

    def make(folder: Path) -> Mapping[str, object]:
        with stages.stage(stage):
            source = load_source(entry.source_directory, entry.name, entry.recipe.task)
            as_it_came = compile_for_ort(CompressedModel(source, source.graph, ()))
            before, after = measure(
                as_it_came, prepared.compiled, prepared.settings, entry.fixtures
            )
        return _Figures(before=before, after=after).model_dump()

    key = cache_key(
        f"evaluate-{entry.name}",
        {
            "compiled": _compile_key(entry),
            "fixtures": sha256_file(entry.fixtures),
            "settings": dataclasses.asdict(prepared.settings),
        },
        packages=("extbuild.evaluate", "extbuild.ort", "extbuild.prepare"),
        libraries=_LIBRARIES,
    )
    found = cache.get(key, make)
    if found.cached:
        stages.found(stage)
    figures = _Figures.model_validate(found.value)
    return judge(figures.before, figures.after, entry.recipe.gates, entry.place)


def _compile_key(entry: ModelEntry) -> str:
    directory = entry.source_directory
    if not directory.is_dir():
        raise SourceError(
            f"{entry.place}: source",
            "names no folder",
            found=repr(entry.recipe.source),
            do="put config.json, tokenizer.json and model.safetensors there",
        )
    return cache_key(
        f"compile-{entry.name}",
        {
            "task": entry.recipe.task,
            "source": {file: sha256_file(directory / file) for file in list_files(directory)},
            "passes": [spec.model_dump() for spec in entry.recipe.passes],
        },
        packages=_COMPILE_CODE,
        libraries=_LIBRARIES,
    )


def _write(model: CompiledModel, folder: Path) -> None:
    (folder / "graph.onnx").write_bytes(model.graph)
    (folder / "weights.bin").write_bytes(model.weights)
    (folder / "tokenizer.json").write_bytes(model.tokenizer_json)


def _prepared(entry: ModelEntry, found: Entry) -> PreparedModel:
    value = _Made.model_validate(found.value)
    tokenizer_json = (found.directory / "tokenizer.json").read_bytes()
    return PreparedModel(
        entry=entry,
        compiled=CompiledModel(
            name=entry.name,
            task=entry.recipe.task,
            graph=(found.directory / "graph.onnx").read_bytes(),
            weights=(found.directory / "weights.bin").read_bytes(),
            tokenizer_json=tokenizer_json,
            operators=value.operators,
        ),
        settings=_settings(entry, value.config, tokenizer_json),
        params=value.params,
        source_bytes=value.source_bytes,
        passes=value.passes,
    )


def _settings(entry: ModelEntry, config: Mapping[str, object], tokenizer_json: bytes) -> Settings:
    recipe = entry.recipe
    if recipe.moderation is not None:
        return moderation_settings(config, tokenizer_json, recipe.moderation)
    if recipe.completion is not None:
        return completion_settings(config, tokenizer_json, recipe.completion)
    raise ContractError(f"{entry.place} was loaded without a policy for {recipe.task}")
