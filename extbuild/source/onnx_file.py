"""A directory with ``model.onnx``: read with its external data and brought to our conventions.

Allowed beyond the conventions: an encoder's ``token_type_ids`` input, which is replaced by zeros
inside the graph, since one text is one segment. Everything else must be as ARCHITECTURE.md says
(see "Graph conventions"); a decoder without a cache or ``logits_index`` is refused.
"""

from collections.abc import Sequence
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from extbuild.artifacts import Task
from extbuild.errors import SourceError
from extbuild.source.config_json import ModelConfig

ONNX_FILE = "model.onnx"
CONVENTIONS = 'see "Graph conventions" in ARCHITECTURE.md'

Dims = tuple[str | int, ...]
"""A shape by its conventions: a name is a size that the graph must leave open."""
IDS: Dims = ("batch", "seq")
ENCODER_INPUTS = ("input_ids", "attention_mask")


def read_onnx(file: Path) -> tuple[ir.Model, list[Path]]:
    """The graph with all its weights in memory, and its external data files, sorted.

    SourceError if a file is damaged or missing, or if the graph is no valid one.
    """
    try:
        model = ir.load(file)
    except (DecodeError, ir.serde.SerdeError, ValueError) as error:
        raise SourceError(
            str(file), "is not a readable ONNX file", found=str(error).split("\n")[0]
        ) from error
    tensors = _external_tensors(model)
    for tensor in tensors:
        data = file.parent / tensor.location
        needed = (tensor.offset or 0) + (tensor.length or 0)
        if not data.is_file():
            raise SourceError(str(data), f"is missing, though the weight {tensor.name} lies in it")
        if data.stat().st_size < needed:
            raise SourceError(
                str(data),
                f"is truncated: the weight {tensor.name} ends at byte {needed:,}",
                found=f"{data.stat().st_size:,} bytes",
                do="copy the file again",
            )
    data_files = sorted({file.parent / tensor.location for tensor in tensors})
    whole = ir.external_data.load_to_model(model)
    _require_valid(file, whole)
    return whole, data_files


def adopt(file: Path, model: ir.Model, config: ModelConfig, task: Task) -> None:
    """Check a freshly read graph against the conventions and settle token types, in place."""
    if task != "completion":
        for value in model.graph.inputs:
            if value.name in (*ENCODER_INPUTS, "token_type_ids"):
                _require_type(file, value, ir.DataType.INT64, IDS)
        _replace_token_types(model)
        _require_names(file, "input", model.graph.inputs, ENCODER_INPUTS)
        output = "logits" if task == "moderation" else "embeddings"
        _require_names(file, "output", model.graph.outputs, (output,))
        width = len(config.labels()) if task == "moderation" else config.whole("hidden_size")
        _require_width(file, model.graph.outputs[0], width)
        return
    layers = range(config.whole("num_hidden_layers"))
    past = [f"past_key_values.{i}.{kind}" for i in layers for kind in ("key", "value")]
    present = [f"present.{i}.{kind}" for i in layers for kind in ("key", "value")]
    inputs = ("input_ids", "position_ids", "logits_index", *past)
    _require_names(file, "input", model.graph.inputs, inputs)
    _require_names(file, "output", model.graph.outputs, ("logits", *present))
    heads = config.whole("num_attention_heads")
    head_dim = config.whole("head_dim", default=max(config.whole("hidden_size") // heads, 1))
    cache: Dims = ("batch", config.whole("num_key_value_heads", default=heads), "past", head_dim)
    dims: dict[str, Dims] = {"input_ids": IDS, "position_ids": IDS, "logits_index": ("n",)}
    for value in model.graph.inputs:
        wanted = dims.get(value.name or "")
        if wanted is None:
            _require_type(file, value, ir.DataType.FLOAT, cache)
        else:
            _require_type(file, value, ir.DataType.INT64, wanted)


def embedding_rows(file: Path, model: ir.Model) -> int:
    """Rows of the table that ``input_ids`` is looked up in."""
    ids = next(value for value in model.graph.inputs if value.name == "input_ids")
    for node, index in ids.uses():
        table = node.inputs[0]
        if (
            node.op_type == "Gather"
            and index == 1
            and table is not None
            and table.shape is not None
        ):
            rows = table.shape[0]
            if isinstance(rows, int):
                return rows
    raise SourceError(
        f"{file}: input_ids", "must be looked up in a constant table by a Gather", do=CONVENTIONS
    )


def _external_tensors(model: ir.Model) -> list[ir.ExternalTensor]:
    tensors = (value.const_value for value in model.graph.initializers.values())
    return [tensor for tensor in tensors if isinstance(tensor, ir.ExternalTensor)]


def _replace_token_types(model: ir.Model) -> None:
    graph = model.graph
    types = next((value for value in graph.inputs if value.name == "token_type_ids"), None)
    ids = next((value for value in graph.inputs if value.name == "input_ids"), None)
    if types is None or ids is None:
        return
    shape = ir.node("Shape", [ids], name="token_type_ids/Shape")
    zeros = ir.node(
        "ConstantOfShape",
        shape.outputs,
        {"value": ir.tensor([0], dtype=ir.DataType.INT64)},
        name="token_type_ids/ConstantOfShape",
    )
    for position, node in enumerate((shape, zeros)):
        node.outputs[0].name = node.name
        if len(graph):
            graph.insert_before(graph[position], node)
    types.replace_all_uses_with(zeros.outputs[0])
    graph.inputs.remove(types)


def _require_valid(file: Path, model: ir.Model) -> None:
    """The checks of compress/contract.py, here on what a person brought and not on our own work."""
    try:
        proto = ir.to_proto(model)
        onnx.checker.check_model(proto)
        onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise SourceError(
            str(file),
            "must be a valid ONNX graph",
            found=_in_one_line(str(error)),
            do="export the model again with opset 21 or lower",
        ) from error


def _in_one_line(message: str) -> str:
    """The complaint, and the node that the checker names below it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join([*lines[:1], *(line for line in lines[1:] if line.startswith("==> Context"))])


def _require_type(file: Path, value: ir.Value, dtype: ir.DataType, dims: Dims) -> None:
    found = () if value.shape is None else tuple(value.shape)
    fits = len(found) == len(dims) and not any(
        isinstance(size, int) and size != wanted for size, wanted in zip(found, dims, strict=True)
    )
    if value.dtype != dtype or not fits:
        raise SourceError(
            f"{file}: {value.name}",
            f"must be {dtype} of the shape ({', '.join(map(str, dims))}), named sizes left open",
            found=f"{value.dtype} of the shape {value.shape}",
            do=f"export it with dynamic axes, beside its own config.json; {CONVENTIONS}",
        )


def _require_names(file: Path, kind: str, values: Sequence[ir.Value], names: Sequence[str]) -> None:
    found = [value.name or "" for value in values]
    if sorted(found) != sorted(names):
        missing = [name for name in names if name not in found]
        extra = [name for name in found if name not in names]
        parts = [f"lacks {', '.join(missing)}"] if missing else []
        parts += [f"has {', '.join(extra)} besides"] if extra else []
        raise SourceError(
            str(file),
            f"must have the {kind}s {', '.join(names)}",
            found=f"a graph that {' and '.join(parts)}",
            do=CONVENTIONS,
        )


def _require_width(file: Path, output: ir.Value, width: int) -> None:
    shape = output.shape
    key = "labels" if output.name == "logits" else "hidden_size"
    if shape is None or len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != width):
        raise SourceError(
            f"{file}: {output.name}",
            f"must have the shape (batch, {width}) for the {key} of config.json",
            found=str(shape),
            do=f"correct {'id2label' if key == 'labels' else key} in config.json",
        )
