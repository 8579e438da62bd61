"""Following a graph node by node, from what its inputs mean to the steps that compute it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from extbuild.compile.lower import (
    embedding,
    join_nodes,
    layout_nodes,
    norm_nodes,
    products,
    row_nodes,
    score_nodes,
)
from extbuild.compile.lower.axes import shape_of
from extbuild.compile.lower.known_nodes import computed
from extbuild.compile.lower.pooling import wanted_tokens
from extbuild.compile.lower.probes import Probe
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.settle import activate, settled, settled_view
from extbuild.compile.lower.state import Run, as_known
from extbuild.compile.lower.steps import Region
from extbuild.compile.lower.values import Axes, Factor, Ids, Known, Meaning, Past, TableRows
from extbuild.compile.program import Activation, Kind, Rows

Handler = Callable[[Run, ir.Node], Meaning | list[Meaning]]

STANDARD: Mapping[str, Handler] = {
    **dict.fromkeys(row_nodes.UNARY, row_nodes.unary),
    **dict.fromkeys(row_nodes.BINARY, row_nodes.binary),
    **dict.fromkeys(norm_nodes.REDUCTIONS, norm_nodes.reduction),
    "Cast": layout_nodes.cast,
    "Clip": row_nodes.clip,
    "Concat": join_nodes.concat,
    "Dropout": layout_nodes.same,
    "Expand": layout_nodes.expanded,
    "Flatten": layout_nodes.flatten,
    "Gather": embedding.gather,
    "Gelu": row_nodes.gelu,
    "Gemm": products.gemm,
    "Identity": layout_nodes.same,
    "IsNaN": score_nodes.never_nan,
    "LayerNormalization": norm_nodes.layer_norm,
    "LpNormalization": norm_nodes.unit_length,
    "MatMul": products.matmul,
    "QuantizeLinear": row_nodes.quantised_rows,
    "RMSNormalization": norm_nodes.layer_norm,
    "Reshape": layout_nodes.reshaped,
    "Shape": layout_nodes.shape,
    "SimplifiedLayerNormalization": norm_nodes.layer_norm,
    "Slice": layout_nodes.sliced,
    "Softmax": score_nodes.softmax,
    "Split": layout_nodes.split,
    "Squeeze": layout_nodes.squeezed,
    "Transpose": layout_nodes.transposed,
    "Unsqueeze": layout_nodes.unsqueezed,
    "Where": score_nodes.where,
}
MICROSOFT: Mapping[str, Handler] = {
    "FastGelu": row_nodes.fast_gelu,
    "GatherBlockQuantized": embedding.block_lookup,
    "Gelu": row_nodes.gelu,
    "MatMulIntegerToFloat": products.int8_product,
    "MatMulNBits": products.block_product,
    "QuickGelu": row_nodes.quick_gelu,
    "SimplifiedLayerNormalization": norm_nodes.layer_norm,
}

OF_IDS = frozenset(
    {"Shape", "Gather", "GatherBlockQuantized", "Cast", "Reshape", "Flatten", "Squeeze"}
    | {"Unsqueeze", "Identity", "Expand", "Transpose"}
)
"""Nodes through which token ids stay token ids; others ask for their numbers, as for padding."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The node, or the graph input or output, that has no place in a Program."""

    node: str
    op_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class Interpreted:
    """The steps of a graph, the value that is the result, and what each node became.

    ``longest``: most tokens of one text. ``structure``: nodes that became masks and positions.
    """

    run: Run
    output: int
    longest: int
    structure: frozenset[int]


def interpret(model: ir.Model, kind: Kind, probes: tuple[Probe, ...]) -> Interpreted | Failed:
    """Follow the graph. TooLongError if the probes are longer than the graph allows."""
    run = Run(kind, probes, dict(model.graph.opset_imports), int(model.ir_version or 10))
    failed = _read_inputs(run, model.graph)
    if failed is not None:
        return failed
    for index, node in enumerate(model.graph):
        try:
            _follow(run, index, node)
        except RefusalError as refusal:
            return Failed(node.name or f"number {index}", node.op_type, str(refusal))
        except (ValueError, TypeError, IndexError, KeyError) as error:
            # Arrays that do not fit together: the graph is not what the interpreter took it for.
            told = f"does not fit what comes before it ({error})"
            return Failed(node.name or f"number {index}", node.op_type, told)
    try:
        output = _result(run, model.graph)
    except RefusalError as refusal:
        name = str(model.graph.outputs[0].name) if model.graph.outputs else "none"
        return Failed(name, "output", str(refusal))
    return Interpreted(run, output, embedding.longest(run), frozenset(run.structure))


def _follow(run: Run, index: int, node: ir.Node) -> None:
    run.node_index, run.inputs, run.emitted = index, tuple(node.inputs), False
    waiting = {index, *run.waiting(*node.inputs)}
    meanings = _meanings(run, node)
    for value, meaning in zip(node.outputs, meanings, strict=False):
        run.meanings[value] = meaning
        known = isinstance(meaning, Known | TableRows)
        run.pending[value] = set() if run.emitted or known else waiting
        if known:
            run.structure.add(index)


def _meanings(run: Run, node: ir.Node) -> list[Meaning]:
    domain = "" if node.domain == "ai.onnx" else node.domain
    given = [None if value is None else run.meaning(value) for value in node.inputs]
    if node.op_type not in OF_IDS:
        given = [_numbers(run, one) for one in given]
    known = all(one is None or isinstance(one, Known | TableRows) for one in given)
    if known and not embedding.stay_rows(node, given):
        return computed(run, node, [as_known(one) for one in given])
    handlers = {"": STANDARD, "com.microsoft": MICROSOFT}.get(domain, {})
    handler = handlers.get(node.op_type)
    if handler is None:
        raise RefusalError("is an operator that the lowering does not know")
    result = handler(run, node)
    return result if isinstance(result, list) else [result]


def _numbers(run: Run, meaning: Meaning | None) -> Meaning | None:
    """Token ids as the numbers that they are in the probes; anything else as it is."""
    if not isinstance(meaning, Ids):
        return meaning
    return Known(
        tuple(
            probe.ids.reshape(shape_of(meaning.axes, index))
            for index, probe in enumerate(run.probes)
        )
    )


def _read_inputs(run: Run, graph: ir.Graph) -> Failed | None:
    batch = Factor("batch", tuple(probe.batch for probe in run.probes))
    tokens = Factor("seq", tuple(probe.seq for probe in run.probes))
    for value in graph.inputs:
        name = str(value.name)
        meaning = _input(run, value, name, ((batch,), (tokens,)))
        if meaning is None:
            return Failed(name, "input", "is an input that the lowering does not know")
        run.meanings[value] = meaning
    return None


def _input(run: Run, value: ir.Value, name: str, axes: Axes) -> Meaning | None:
    probes = run.probes
    if name.startswith("past"):
        sizes = [None] if value.shape is None else list(value.shape)
        if len(sizes) != 4 or not isinstance(sizes[1], int) or not isinstance(sizes[3], int):
            return None
        shapes = tuple((probe.batch, sizes[1], probe.past, sizes[3]) for probe in probes)
        return Past(name, shapes)
    if name == "input_ids":
        return Ids(axes)
    arrays: Mapping[str, Callable[[Probe], np.ndarray]] = {
        "attention_mask": lambda probe: (
            probe.real if run.kind is Kind.ENCODER else np.ones((probe.batch, probe.total))
        ),
        "position_ids": lambda probe: probe.positions,
        "token_type_ids": lambda probe: np.zeros((probe.batch, probe.seq)),
        "logits_index": lambda probe: np.asarray(probe.wanted),
    }
    if name not in arrays or value.dtype is None:
        return None
    return Known(tuple(arrays[name](probe).astype(value.dtype.numpy()) for probe in probes))


def _result(run: Run, graph: ir.Graph) -> int:
    """The value of the first output; the others must be the grown cache."""
    if not graph.outputs:
        raise RefusalError("has no output")
    for value in graph.outputs[1:]:
        held = settled(run, value)
        kinds = {factor.kind for axis in getattr(held, "axes", ()) for factor in axis}
        if "keys" not in kinds:
            raise RefusalError(f"comes with {value.name}, which is no cache")
    first = graph.outputs[0]
    run.node_index, run.inputs, run.emitted = -1, (first,), False
    view = run.in_order(settled_view(run, first))
    rows = run.rows_of(view.axes)
    if run.kind is Kind.DECODER and rows is Rows.TOKENS:
        view = wanted_tokens(run, view, 1)
    elif run.kind is Kind.DECODER and rows is not Rows.OUTPUTS:
        raise RefusalError("has one row per text, which a decoder cannot have")
    region = run.region(view)
    if region != Region(view.value, 0, run.steps.made[view.value].width):
        view = activate(run, view, Activation.NONE, set())
    return view.value
