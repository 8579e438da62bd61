"""One model in the forms that the peers read, made from its source directory and kept on disk.

The forms come from the passes that a recipe would name. Making them takes minutes for a large
model, so each is a cache entry of its own below ``.extbuild/bench``.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx_ir as ir

from extbuild.artifacts import CompiledModel, EngineFiles, SourceModel, Task
from extbuild.bench.gguf import write_gguf
from extbuild.bench.random_models import DecoderSizes, Sizes, random_tensors, write_random_model
from extbuild.bundle.runtime import RuntimeModel, make_runtime, model_folder, runtime_text
from extbuild.cache import Cache, cache_key
from extbuild.compile.lower import NotLowered, lower
from extbuild.compile.ort import pack
from extbuild.compile.program import serialize
from extbuild.compress.run import compress
from extbuild.config.recipe import (
    Block4Bit,
    CompletionPolicy,
    DynamicInt8,
    FoldConstants,
    ModerationPolicy,
    PassSpec,
    TieEmbeddings,
)
from extbuild.config.runtime import Runtime
from extbuild.config.schema import ExtensionConfig
from extbuild.errors import CompileError, ContractError
from extbuild.evaluate.settings import completion_settings, moderation_settings
from extbuild.files import list_files, sha256_file
from extbuild.shard.write import write_model
from extbuild.source.load import load_source

Form = Literal["fp32", "int8", "int4"]
CONTEXT_TOKENS = 256
MAX_TEXT_TOKENS = 256
BATCH_TOKENS = 2048
GRAPH_FILE, WEIGHTS_FILE = "graph.onnx", "weights.bin"
_Make = Callable[[Path], Mapping[str, object]]
_ACCURACY_LEVEL = 4  # of MatMulNBits: activations as int8, the fastest that onnxruntime has
_LIBRARIES = ("numpy", "onnx-ir", "onnxruntime")
_CODE = ("extbuild.bench.forms", "extbuild.compile", "extbuild.compress", "extbuild.source")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a model by its name, task and source directory.

    ``sizes`` are those of a random model, None for a model of the project.
    """

    name: str
    task: Task
    source: Path
    sizes: Sizes | None

    def load(self) -> SourceModel:
        """The model as its author gave it."""
        return load_source(self.source, self.name, self.task)

    def config(self) -> Mapping[str, object]:
        """Its config.json."""
        config: Mapping[str, object] = json.loads((self.source / "config.json").read_bytes())
        return config


class Shelf:
    """Forms of models on disk, made when they are first asked for."""

    def __init__(self, cache: Cache, extension: ExtensionConfig) -> None:
        self._cache, self._extension = cache, extension
        self._found: dict[str, Path] = {}

    def random(self, sizes: Sizes) -> Subject:
        """A model of these sizes with random weights."""
        key = cache_key(
            "bench-random",
            {"sizes": dataclasses.asdict(sizes)},
            packages=("extbuild.bench.random_models",),
            libraries=("numpy", "safetensors", "tokenizers"),
        )

        def make(folder: Path) -> Mapping[str, object]:
            write_random_model(sizes, folder)
            return {}

        if key not in self._found:
            self._found[key] = self._cache.get(key, make).directory
        return Subject(sizes.name, sizes.task, self._found[key], sizes)

    def ort(self, subject: Subject, form: Form) -> Path:
        """A folder with graph.onnx and weights.bin, by the graph conventions of the project."""
        return self._form(subject, form) / "ort"

    def engine_form(self, subject: Subject, form: Form) -> Path:
        """A folder like a package: runtime.json and the model's Program and weights."""
        return self._form(subject, form) / "engine"

    def transformers(self, subject: Subject) -> Path:
        """A folder as @huggingface/transformers expects it, with 8-bit weights."""
        return self._form(subject, "int8") / "transformers"

    def engine(self, subject: Subject, passes: tuple[PassSpec, ...]) -> Path:
        """As ``engine_form``, after the passes of a recipe."""

        def make(folder: Path) -> Mapping[str, object]:
            self._write_package(subject, _compressed(subject, passes), folder)
            return {}

        described = {"passes": [spec.model_dump() for spec in passes]}
        return self._made(subject, "bench-engine", make, described)

    def _form(self, subject: Subject, form: Form) -> Path:
        """All folders of one form: its weights are compressed once."""

        def make(folder: Path) -> Mapping[str, object]:
            graph = _compressed(subject, passes_of(subject.task, form))
            if form != "fp32":
                self._write_package(subject, graph, folder / "engine")
            _set_accuracy(graph)
            packed = pack(graph)
            (folder / "ort").mkdir()
            (folder / "ort" / GRAPH_FILE).write_bytes(packed.graph)
            (folder / "ort" / WEIGHTS_FILE).write_bytes(packed.weights)
            if form == "int8":
                _write_transformers(subject, graph, folder / "transformers")
            return {}

        return self._made(subject, f"bench-form-{form}", make, {})

    def gguf(self, subject: Subject, sizes: DecoderSizes) -> Path:
        """A GGUF file with Q4_0 weights."""

        def make(folder: Path) -> Mapping[str, object]:
            write_gguf(sizes, random_tensors(sizes), folder / "model.gguf")
            return {}

        code = ("extbuild.bench.gguf", "extbuild.bench.random_models")
        return self._made(subject, "bench-gguf", make, {}, code) / "model.gguf"

    def _made(
        self,
        subject: Subject,
        stage: str,
        make: _Make,
        inputs: Mapping[str, object],
        code: tuple[str, ...] = _CODE,
    ) -> Path:
        """The entry's folder. Hashing large files takes seconds, so it is looked for once a run."""
        asked = f"{stage} {subject.source} {inputs}"
        if asked not in self._found:
            hashes = {
                file: sha256_file(subject.source / file) for file in list_files(subject.source)
            }
            key = cache_key(
                stage, {"source": hashes, **inputs}, packages=code, libraries=_LIBRARIES
            )
            self._found[asked] = self._cache.get(key, make).directory
        return self._found[asked]

    def _write_package(self, subject: Subject, graph: ir.Model, folder: Path) -> None:
        lowered = lower(graph, subject.name)
        if isinstance(lowered, NotLowered):
            raise CompileError(subject.name, "must lower to a Program", found=lowered.reason)
        source = subject.load()
        compiled = CompiledModel(
            name=subject.task,
            task=subject.task,
            tokenizer_json=source.tokenizer_json,
            operators={},
            engine=EngineFiles(serialize(lowered.program), lowered.weights, b""),
            ort=None,
            golden=b"{}",
        )
        place = folder / model_folder(subject.task)
        sharded = write_model(compiled, place, self._extension.max_shard_bytes)
        described = RuntimeModel(
            sharded=sharded, params=source.params, webgpu="never", values=_values(source)
        )
        runtime = make_runtime(self._extension, "0", [described], None)
        (folder / "runtime.json").write_text(runtime_text(runtime), encoding="utf-8")


def engine_files(folder: Path) -> tuple[bytes, bytes]:
    """Program and weights of a folder that ``Shelf.engine`` made."""
    runtime = Runtime.model_validate_json((folder / "runtime.json").read_bytes())
    model = runtime.models.moderation or runtime.models.completion
    if model is None or model.files.engine is None:
        raise ContractError(f"{folder} holds no Program")
    files = model.files.engine
    weights = b"".join((folder / shard.file).read_bytes() for shard in files.weights.shards)
    return (folder / files.program.file).read_bytes(), weights


def passes_of(task: Task, form: Form) -> tuple[PassSpec, ...]:
    """The passes that give a form; a decoder's table is stored once, as its output head.

    8-bit weights are those that the project's recipes ship, which onnxruntime runs like any others.
    """
    first: tuple[PassSpec, ...] = (FoldConstants(name="fold_constants"),)
    if task == "completion":
        first += (TieEmbeddings(name="tie_embeddings"),)
    match form:
        case "fp32":
            return first
        case "int8":
            return (*first, DynamicInt8(name="dynamic_int8", weight_bits=7))
        case "int4":
            return (*first, Block4Bit(name="block_4bit"))


def _compressed(subject: Subject, passes: tuple[PassSpec, ...]) -> ir.Model:
    return compress(subject.load(), passes).graph


def _set_accuracy(graph: ir.Model) -> None:
    """As builders of 4-bit models do."""
    for node in graph.graph:
        if node.op_type == "MatMulNBits":
            node.attributes["accuracy_level"] = ir.AttrInt64("accuracy_level", _ACCURACY_LEVEL)


def _write_transformers(subject: Subject, graph: ir.Model, folder: Path) -> None:
    """``graph`` is changed: this comes last."""
    if subject.task == "completion":
        _last_logits_only(graph)
    (folder / "onnx").mkdir(parents=True)
    data = ir.to_proto(graph).SerializeToString()
    (folder / "onnx" / "model_quantized.onnx").write_bytes(data)
    shutil.copy(subject.source / "tokenizer.json", folder)
    (folder / "config.json").write_text(json.dumps(subject.config()), encoding="utf-8")


def _last_logits_only(graph: ir.Model) -> None:
    """Make the input ``logits_index``, which no other library knows, the constant -1."""
    (index,) = [value for value in graph.graph.inputs if value.name == "logits_index"]
    graph.graph.inputs.remove(index)
    index.const_value = ir.tensor(np.asarray([-1], np.int64), name="logits_index")
    graph.graph.register_initializer(index)


def _values(source: SourceModel) -> Mapping[str, object]:
    """The fields of runtime.json that come from a recipe's policy; thresholds are of no matter."""
    if source.task == "moderation":
        names = source.config.get("id2label")
        labels = names.values() if isinstance(names, dict) else ()
        policy = ModerationPolicy(
            thresholds={str(label): 0.5 for label in labels},
            max_tokens=MAX_TEXT_TOKENS,
            batch_tokens=BATCH_TOKENS,
        )
        return dataclasses.asdict(moderation_settings(source.config, source.tokenizer_json, policy))
    policy_of_text = CompletionPolicy(min_confidence=0.5, context_tokens=CONTEXT_TOKENS)
    return dataclasses.asdict(
        completion_settings(source.config, source.tokenizer_json, policy_of_text)
    )
