"""Replace nodes whose inputs are all constant by their value.

Rules:

1. ``Constant`` nodes become initialisers.
2. A node of the standard domain is evaluated, by onnxruntime, when every input is an initialiser;
   random nodes, nodes with subgraphs and nodes that onnxruntime cannot run are left.
3. A fold may not make the model larger by more than :data:`MAX_GROWTH_BYTES`: what it adds is set
   against the initialisers that it alone used. So the transposed half of a tied table stays.
4. ``Identity`` nodes vanish, and so does everything that no output depends on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import onnx
import onnx_ir as ir

from extbuild.compress.contract import Outcome
from extbuild.compress.graph import Array, add_initializer, constant, drop_unused
from extbuild.errors import ContractError
from extbuild.ort import RUNTIME_ERRORS, Session

MAX_GROWTH_BYTES = 4096
RANDOM = frozenset(
    {
        "RandomNormal",
        "RandomUniform",
        "RandomNormalLike",
        "RandomUniformLike",
        "Bernoulli",
        "Multinomial",
    }
)


@dataclass(frozen=True, slots=True)
class FoldConstantsPass:
    """See the rules above."""

    name: Literal["fold_constants"] = "fold_constants"

    def requires(self, model: ir.Model) -> None:
        """Nothing: a graph without constant nodes is left as it is."""

    def run(self, model: ir.Model) -> Outcome:
        """Fold in graph order, so that a chain of constant nodes folds in one go."""
        changed = kept = 0
        for node in list(model.graph):
            if node.op_type == "Constant" and node.domain == "":
                changed += _lift(model, node)
            elif node.op_type == "Identity" and node.domain == "" and _bypass(node):
                changed += 1
            elif _is_constant(node):
                folded = _fold(model, node)
                changed += folded
                kept += not folded
        removed = drop_unused(model)
        notes = (f"kept, as folding would add weights or fails: {kept}",) if kept else ()
        return Outcome(changed + removed, notes=notes)

    def ensures(self, model: ir.Model, outcome: Outcome) -> None:
        """No ``Constant`` node is left."""
        if any(node.op_type == "Constant" and node.domain == "" for node in model.graph):
            raise ContractError("pass fold_constants left a Constant node")


def _is_constant(node: ir.Node) -> bool:
    return (
        node.domain == ""
        and node.op_type not in RANDOM
        and bool(node.inputs)
        and all(value is None or constant(value) is not None for value in node.inputs)
        and not any(
            attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
            for attribute in node.attributes.values()
        )
        and not any(value.is_graph_output() or not value.name for value in node.outputs)
    )


def _lift(model: ir.Model, node: ir.Node) -> int:
    tensor = ir.convenience.get_const_tensor(node.outputs[0])
    if tensor is None:
        raise ContractError(f"constant {node.name} holds a value that is no tensor")
    _become_initializers(model, node, [tensor.numpy()])
    return 1


def _bypass(node: ir.Node) -> bool:
    source, output = node.inputs[0], node.outputs[0]
    if source is None or output.is_graph_output() or node.graph is None:
        return False
    output.replace_all_uses_with(source)
    node.graph.remove(node, safe=True)
    return True


def _fold(model: ir.Model, node: ir.Node) -> bool:
    try:
        arrays = _evaluate(model, node)
    except RUNTIME_ERRORS:
        return False
    freed = sum(
        value.const_value.nbytes
        for value in {id(value): value for value in node.inputs if value is not None}.values()
        if value.const_value is not None and all(user is node for user, _ in value.uses())
    )
    if sum(array.nbytes for array in arrays) - freed > MAX_GROWTH_BYTES:
        return False
    _become_initializers(model, node, arrays)
    return True


def _evaluate(model: ir.Model, node: ir.Node) -> list[Array]:
    """The outputs of one node, computed by the runtime that would compute them later."""
    inputs = {value.name: value for value in node.inputs if value is not None}
    parameters = {
        name: ir.Value(name=name, shape=value.shape, type=value.type)
        for name, value in inputs.items()
    }
    outputs = [ir.Value(name=f"out{index}") for index in range(len(node.outputs))]
    copy = ir.Node(
        node.domain,
        node.op_type,
        [None if value is None else parameters[value.name] for value in node.inputs],
        list(node.attributes.values()),
        outputs=outputs,
    )
    graph = ir.Graph(
        list(parameters.values()),
        outputs,
        nodes=[copy],
        opset_imports=dict(model.graph.opset_imports),
        name="constant",
    )
    proto = ir.to_proto(ir.Model(graph, ir_version=model.ir_version))
    feeds = {
        str(name): array for name, value in inputs.items() if (array := constant(value)) is not None
    }
    return Session(onnx.shape_inference.infer_shapes(proto).SerializeToString()).run(feeds)


def _become_initializers(model: ir.Model, node: ir.Node, arrays: Sequence[Array]) -> None:
    for output, array in zip(node.outputs, arrays, strict=True):
        name = str(output.name)
        output.name = f"{name}.folded"
        output.replace_all_uses_with(add_initializer(model, name, array))
    model.graph.remove(node, safe=True)
