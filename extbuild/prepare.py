"""One model from its folder to what ships: loaded, compressed, compiled, proved and judged.

`inv build` packs the result and `inv eval` measures it, so both go through here. Compressing,
proving and judging are the slow stages, and all of them are cached.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from extbuild.artifacts import (
    CompiledModel,
    CompressedModel,
    EngineFiles,
    OrtFiles,
    PassReport,
    QualityMetric,
    Variant,
)
from extbuild.cache import Cache, Entry, cache_key
from extbuild.compile.coverage import check_coverage
from extbuild.compile.ort import compile_for_ort
from extbuild.compile.run import compile_forms, ort_files
from extbuild.compress.run import compress
from extbuild.config.load import ModelEntry
from extbuild.errors import ConfigError, ContractError, SourceError
from extbuild.evaluate.gate import judge, require_possible
from extbuild.evaluate.prove import Proof, prove
from extbuild.evaluate.run import measure
from extbuild.evaluate.settings import Settings, completion_settings, moderation_settings
from extbuild.files import list_files, sha256_bytes, sha256_file
from extbuild.progress import Stages
from extbuild.source.load import load_source

Modules = Callable[[], Mapping[Variant, bytes]]
"""Gives the engine's variants, none of them where it is switched off.

Asked only when a model can run on the engine.
"""

SWITCHED_OFF = "the engine is switched off (pyproject.toml: tool.extbuild.engine)"

_COMPILE_CODE = (
    "extbuild.artifacts",
    "extbuild.compile",
    "extbuild.compress",
    "extbuild.config.recipe",
    "extbuild.ort",
    "extbuild.prepare",
    "extbuild.source",
)
_EVALUATE_CODE = ("extbuild.engine", "extbuild.evaluate", "extbuild.ort", "extbuild.prepare")
_LIBRARIES = (
    "numpy",
    "onnx",
    "onnx-ir",
    "onnxruntime",
    "safetensors",
    "tokenizers",
)
_EVALUATE_LIBRARIES = (*_LIBRARIES, "wasmtime")


class _Made(BaseModel):
    """What a cache entry of a compiled model says about it, beside its files."""

    config: dict[str, object]
    operators: dict[str, int]
    params: int
    passes: tuple[PassReport, ...]
    source_bytes: int
    operations: int | None
    reason: str | None


class _Figures(BaseModel):
    """What a cache entry of an evaluation says."""

    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A compiled model with the story of how it came about.

    `settings` is what the runtime description and the evaluation need besides the files.
    `passes` has one report per pass. `seconds` in them are those of the run that made the result.
    `operations` counts the kernel calls of the Program, and `proof` is what its comparison with
    the reference gave. `reference` is the model on native onnxruntime, whether or not it ships.
    """

    entry: ModelEntry
    compiled: CompiledModel
    reference: CompiledModel
    settings: Settings
    params: int
    source_bytes: int
    passes: tuple[PassReport, ...]
    operations: int | None
    proof: Proof

    @property
    def parts(self) -> Mapping[str, int]:
        """Bytes of what is packed, before the archive compresses it."""
        return self.compiled.parts

    @property
    def packed_bytes(self) -> int:
        """All parts together: what the budget is about."""
        return sum(self.parts.values())


def prepare(entry: ModelEntry, modules: Modules, cache: Cache, stages: Stages) -> PreparedModel:
    """Load, compress, compile and prove the model of `entry`, or take the results from `cache`."""
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
            forms = compile_forms(compressed, gpu=_wants_gpu(entry))
        ort = ort_files(forms.ort)
        _write(folder, ("graph.onnx", ort.graph), ("graph.bin", ort.weights))
        if ort.graph_f16 is not None:
            _write(folder, ("graph-f16.onnx", ort.graph_f16))
        _write(folder, ("tokenizer.json", source.tokenizer_json))
        if forms.program is not None:
            _write(folder, ("program.bin", forms.program), ("weights.bin", forms.weights))
        return _Made(
            config=dict(source.config),
            operators=dict(forms.ort.operators),
            params=source.params,
            passes=compressed.reports,
            source_bytes=source.source_bytes,
            operations=forms.operations,
            reason=forms.reason,
        ).model_dump(mode="json")

    found = cache.get(_compile_key(entry), make)
    if found.cached:
        for stage in names:
            stages.found(stage)
    return _prepared(entry, found, modules, cache, stages)


def quality(prepared: PreparedModel, cache: Cache, stages: Stages) -> Mapping[str, QualityMetric]:
    """Every metric on the recipe's fixtures before and after compression, against its gate.

    The figures are cached without the gates, which may change without measuring again.
    """
    entry = prepared.entry
    stage = f"evaluate {entry.name}"

    def make(folder: Path) -> Mapping[str, object]:
        with stages.stage(stage):
            source = load_source(entry.source_directory, entry.name, entry.recipe.task)
            as_it_came = compile_for_ort(CompressedModel(source, source.graph, ()))
            before, after = measure(
                as_it_came, prepared.compiled, prepared.settings, entry.fixtures
            )
        return _Figures(before=before, after=after).model_dump()

    engine = prepared.compiled.engine
    key = cache_key(
        f"evaluate-{entry.name}",
        {
            **_evaluated(entry, prepared.settings),
            "engine": None if engine is None else sha256_bytes(engine.module),
        },
        packages=_EVALUATE_CODE,
        libraries=_EVALUATE_LIBRARIES,
    )
    found = cache.get(key, make)
    if found.cached:
        stages.found(stage)
    figures = _Figures.model_validate(found.value)
    return judge(figures.before, figures.after, entry.recipe.gates, entry.place)


def _evaluated(entry: ModelEntry, settings: Settings) -> Mapping[str, object]:
    """What every evaluation of a model depends on."""
    return {
        "compiled": _compile_key(entry),
        "fixtures": sha256_file(entry.fixtures),
        "settings": dataclasses.asdict(settings),
    }


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
            "gpu": _wants_gpu(entry),
        },
        packages=_COMPILE_CODE,
        libraries=_LIBRARIES,
    )


def _wants_gpu(entry: ModelEntry) -> bool:
    return entry.recipe.runtime.webgpu != "never"


def _write(folder: Path, *files: tuple[str, bytes]) -> None:
    for name, data in files:
        (folder / name).write_bytes(data)


def _prepared(
    entry: ModelEntry, found: Entry, modules: Modules, cache: Cache, stages: Stages
) -> PreparedModel:
    value = _Made.model_validate(found.value)

    def read(file: str) -> bytes:
        return (found.directory / file).read_bytes()

    has_f16 = (found.directory / "graph-f16.onnx").is_file()
    graph_f16 = read("graph-f16.onnx") if has_f16 else None
    reference = CompiledModel(
        name=entry.name,
        task=entry.recipe.task,
        tokenizer_json=read("tokenizer.json"),
        operators=value.operators,
        engine=None,
        ort=OrtFiles(read("graph.onnx"), graph_f16, read("graph.bin")),
        golden=b"",
        not_lowered=value.reason,
    )
    settings = _settings(entry, value.config, reference.tokenizer_json)
    variants: Mapping[Variant, EngineFiles] = {}
    if value.reason is None:
        program, weights = read("program.bin"), read("weights.bin")
        variants = {
            variant: EngineFiles(program, weights, module) for variant, module in modules().items()
        }
    proof = _proof(entry, reference, variants, settings, cache, stages)
    not_lowered = value.reason or proof.fault or (None if variants else SWITCHED_OFF)
    compiled = dataclasses.replace(
        reference,
        engine=None if not_lowered else variants["relaxed"],
        ort=reference.ort if not_lowered or _wants_gpu(entry) else None,
        golden=proof.golden,
        not_lowered=not_lowered,
    )
    return PreparedModel(
        entry=entry,
        compiled=compiled,
        reference=reference,
        settings=settings,
        params=value.params,
        source_bytes=value.source_bytes,
        passes=value.passes,
        operations=value.operations,
        proof=proof,
    )


def _proof(
    entry: ModelEntry,
    reference: CompiledModel,
    variants: Mapping[Variant, EngineFiles],
    settings: Settings,
    cache: Cache,
    stages: Stages,
) -> Proof:
    """Golden inputs, and every variant of the engine compared on them with the reference."""
    if not entry.fixtures.is_file():
        raise ConfigError(
            f"{entry.place}: fixtures",
            "names no file",
            found=repr(entry.recipe.fixtures),
            do="add labelled texts, one JSON object per line",
        )
    stage = f"prove {entry.name}"

    def make(folder: Path) -> Mapping[str, object]:
        with stages.stage(stage):
            proof = prove(reference, variants, settings, entry.fixtures)
        _write(folder, ("golden.json", proof.golden))
        return {**dataclasses.asdict(proof), "golden": None}

    key = cache_key(
        f"prove-{entry.name}",
        {
            **_evaluated(entry, settings),
            "engine": {variant: sha256_bytes(files.module) for variant, files in variants.items()},
        },
        packages=_EVALUATE_CODE,
        libraries=_EVALUATE_LIBRARIES,
    )
    found = cache.get(key, make)
    if found.cached:
        stages.found(stage)
    golden = (found.directory / "golden.json").read_bytes()
    return TypeAdapter(Proof).validate_python({**found.value, "golden": golden})


def _settings(entry: ModelEntry, config: Mapping[str, object], tokenizer_json: bytes) -> Settings:
    recipe = entry.recipe
    if recipe.moderation is not None:
        return moderation_settings(config, tokenizer_json, recipe.moderation)
    if recipe.completion is not None:
        return completion_settings(config, tokenizer_json, recipe.completion)
    raise ContractError(f"{entry.place} was loaded without a policy for {recipe.task}")
