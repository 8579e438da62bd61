"""From an ONNX graph to a Program, or to the reason why not."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from extbuild.compile.lower.blob import Blob, finite
from extbuild.compile.lower.fuse import Graph, fuse
from extbuild.compile.lower.interpreter import Failed, Interpreted, interpret
from extbuild.compile.lower.probes import LONGEST_ENCODER, probes_for
from extbuild.compile.lower.slots import place
from extbuild.compile.lower.state import TooLongError
from extbuild.compile.lower.steps import Extra, Step
from extbuild.compile.program import (
    ALIGNMENT_BYTES,
    NONE,
    Kind,
    Op,
    Operation,
    Program,
    Rows,
    Slot,
)
from extbuild.compile.program_check import check
from extbuild.errors import CompileError

DEFAULT_POSITIONS = 8192
"""Longest text where neither the graph nor the caller sets a limit."""
LEAST_POSITIONS = 8
"""Texts of the probes are that long; a graph of fewer positions cannot be looked at."""
WORDS = 5
OLDEST_OPSET, NEWEST_OPSET = 13, 23
"""Between them the operators that we know mean the same."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """A Program with its weights.

    ``weights``: the blob that the program's offsets point into. ``nodes``: the ONNX nodes that each
    operation stands for, in the order of ``program.operations``. ``structure``: nodes that became
    positions and masks, which the engine has itself. ``rearranged``: all other nodes; they only
    name or order what is there already. Together these are all nodes of the graph.
    """

    program: Program
    weights: bytes
    nodes: tuple[tuple[str, ...], ...]
    structure: tuple[str, ...]
    rearranged: tuple[str, ...]

    @property
    def operations(self) -> Mapping[str, int]:
        """How many operations of each kind there are."""
        names = (operation.op.name for operation in self.program.operations)
        return dict(sorted(Counter(names).items()))


@dataclass(frozen=True, slots=True)
class NotLowered:
    """The first node (or graph input or output) that has no place in a Program, and why."""

    node: str
    op_type: str
    why: str

    @property
    def reason(self) -> str:
        """One line for people."""
        return f"{self.op_type} {self.node}: {self.why}"


def lower(model: ir.Model, name: str, *, max_positions: int | None = None) -> Lowered | NotLowered:
    """Lower a graph that keeps the conventions of ARCHITECTURE.md, by whatever nodes.

    ``name`` is the model's. ``max_positions`` is the longest text that the model was trained on
    (config.json); tables of positions in the graph may lower it. An unknown graph is an answer,
    not an error. The model is not changed.
    """
    opset = model.graph.opset_imports.get("", NEWEST_OPSET)
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        return NotLowered(name, "opset", f"must be {OLDEST_OPSET} to {NEWEST_OPSET}, got {opset}")
    inputs = [str(value.name) for value in model.graph.inputs]
    decoder = any(one.startswith("past") for one in inputs)
    kind = Kind.DECODER if decoder else Kind.ENCODER
    longest = DEFAULT_POSITIONS if max_positions is None else max_positions
    if kind is Kind.ENCODER:
        longest = min(longest, LONGEST_ENCODER)
    while longest >= LEAST_POSITIONS:
        try:
            found = interpret(model, kind, probes_for(kind, longest))
        except TooLongError as error:
            longest = min(error.limit, longest - 1)
            continue
        if isinstance(found, Failed):
            return NotLowered(found.node, found.op_type, found.reason)
        return _assemble(model, kind, found)
    return NotLowered(name, "model", f"has fewer than {LEAST_POSITIONS} positions")


def arena_bytes(slots: tuple[Slot, ...] | list[Slot], counts: Mapping[Rows, int]) -> int:
    """Bytes of the activations for that many tokens, sequences and outputs."""
    sizes = (counts[slot.rows] * slot.width * 4 for slot in slots)
    return sum(size + -size % ALIGNMENT_BYTES for size in sizes)


def _assemble(model: ir.Model, kind: Kind, found: Interpreted) -> Lowered | NotLowered:
    nodes = list(model.graph)
    names = [node.name or f"number {index}" for index, node in enumerate(nodes)]
    graph = fuse(found.run.steps, found.output)
    for step in graph.steps:
        last = nodes[max(step.nodes, default=0)]
        where = names[max(step.nodes, default=0)]
        if isinstance(step.op, Extra):
            what = "adds a vector" if step.op is Extra.BIAS else "multiplies by a number"
            why = f"{what} where no operation before it can take it in"
            return NotLowered(where, last.op_type, why)
        weights = (step.matrix, step.second, step.weight, step.bias)
        if not all(finite(weight) for weight in weights):
            return NotLowered(where, last.op_type, "has weights that are not finite")
    if not found.run.vocab_size:
        return NotLowered("input_ids", "input", "is looked up in no table")
    program, blob = _program(graph, kind, found)
    try:
        check(program)
    except CompileError as error:
        return NotLowered(str(model.graph.name), "graph", f"is beyond the engine: {error}")
    covered = {index for step in graph.steps for index in step.nodes} | found.structure
    return Lowered(
        program=program,
        weights=bytes(blob.data),
        nodes=tuple(
            tuple(names[index] for index in sorted(step.nodes) if index >= 0)
            for step in graph.steps
        ),
        structure=tuple(names[index] for index in sorted(found.structure)),
        rearranged=tuple(one for index, one in enumerate(names) if index not in covered),
    )


def _program(graph: Graph, kind: Kind, found: Interpreted) -> tuple[Program, Blob]:
    placement = place(graph)
    blob = Blob()
    operations = []
    for step in graph.steps:
        if isinstance(step.op, Extra):
            raise TypeError("fusing left a step that no kernel does")
        first, second = _weights(blob, step)
        words = (*step.p, *(0,) * (WORDS - len(step.p)))
        operations.append(
            Operation(
                op=step.op,
                dst=placement.at[step.out],
                a=placement.operand(step.a),
                b=placement.operand(step.b),
                c=placement.operand(step.c),
                w0=first,
                w1=second,
                p=(words[0], words[1], words[2], words[3], words[4]),
            )
        )
    run = found.run
    program = Program(
        kind=kind,
        weights=tuple(blob.weights),
        slots=tuple(placement.slots),
        operations=tuple(operations),
        output=placement.at[graph.output].slot,
        vocab_size=run.vocab_size,
        max_positions=found.longest,
        weights_bytes=len(blob.data),
        layers=run.layers,
        kv_heads=run.kv_heads,
        head_dim=run.head_dim,
    )
    return program, blob


def _weights(blob: Blob, step: Step) -> tuple[int, int]:
    match step.op:
        case Op.EMBED:
            return blob.matrix(step.matrix), blob.matrix(step.second)
        case Op.LINEAR:
            return blob.matrix(step.matrix), blob.vector(step.bias)
        case Op.NORM | Op.ROPE:
            return blob.vector(step.weight), blob.vector(step.bias)
        case _:
            return NONE, NONE
