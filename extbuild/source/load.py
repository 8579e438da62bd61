"""From a model directory to a :class:`SourceModel`, with every contradiction named."""

from pathlib import Path

import onnx_ir as ir

from extbuild.artifacts import SourceModel, Task
from extbuild.errors import SourceError
from extbuild.source.checkpoint import INDEX_FILE, WEIGHTS_FILE, weight_files
from extbuild.source.config_json import ModelConfig, parse_config
from extbuild.source.huggingface import Built, build_graph
from extbuild.source.onnx_file import ONNX_FILE, adopt, embedding_rows, read_onnx
from extbuild.source.tokenizer import check_vocabulary, parse_tokenizer


def load_source(directory: Path, name: str, task: Task) -> SourceModel:
    """The model in ``directory``: config.json, tokenizer.json and safetensors or model.onnx.

    Weights become float32 whatever they were stored as. Raises SourceError for a missing,
    truncated or contradictory file.
    """
    if not directory.is_dir():
        raise SourceError(str(directory), "is not a directory", do="put the model's files there")
    config_bytes = _read(directory / "config.json")
    tokenizer_bytes = _read(directory / "tokenizer.json")
    config = parse_config(directory / "config.json", config_bytes)
    tokenizer = parse_tokenizer(directory / "tokenizer.json", tokenizer_bytes)
    built, files = _graph(directory, config, task)
    check_vocabulary(directory / "tokenizer.json", tokenizer, config, built.rows)
    return SourceModel(
        name=name,
        task=task,
        graph=built.graph,
        tokenizer_json=tokenizer_bytes,
        config=config.common(),
        params=built.params,
        source_bytes=sum(file.stat().st_size for file in files),
    )


def _graph(directory: Path, config: ModelConfig, task: Task) -> tuple[Built, list[Path]]:
    """The graph, and the weight files it was read from."""
    safetensors, onnx = weight_files(directory), directory / ONNX_FILE
    if safetensors and onnx.is_file():
        raise SourceError(
            str(directory), f"holds both {safetensors[0].name} and {ONNX_FILE}", do="keep one"
        )
    if safetensors:
        return build_graph(safetensors, config, task), safetensors
    if onnx.is_file():
        graph, data_files = read_onnx(onnx)
        files = [onnx, *data_files]
        adopt(onnx, graph, config, task)
        return Built(graph, embedding_rows(onnx, graph), _params(graph)), files
    others = sorted(
        file.name for file in directory.iterdir() if file.suffix in (".bin", ".pt", ".gguf")
    )
    raise SourceError(
        str(directory),
        f"holds no {WEIGHTS_FILE}, {INDEX_FILE} or {ONNX_FILE}",
        found=", ".join(others),
        do="save the weights with the safetensors library" if others else "put the weights there",
    )


def _read(file: Path) -> bytes:
    if not file.is_file():
        raise SourceError(str(file), "is missing", do="copy it from where the model was published")
    return file.read_bytes()


def _params(graph: ir.Model) -> int:
    """Floating-point weights of more than one dimension or element, each stored one once."""
    tensors = (value.const_value for value in graph.graph.initializers.values())
    return sum(
        tensor.size
        for tensor in tensors
        if tensor is not None and tensor.dtype.is_floating_point() and tensor.size > 1
    )
