"""Store an embedding table and an equal output head once.

Rules:

1. A table E ``(vocab, hidden)`` is a float32 initialiser that is only gathered along axis 0, or
   transposed for a MatMul.
2. Its head is ``x @ transpose(E)``, or ``x @ W`` where W ``(hidden, vocab)`` equals E transposed
   bit for bit.
3. What is kept is W, because a product wants its columns. A lookup becomes
   ``transpose(gather(W, ids, axis=1))``; values are the same, bit for bit.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir

from extbuild.compress.contract import Outcome
from extbuild.compress.graph import (
    add_initializer,
    constant,
    drop_unused,
    float_matrices,
    insert,
    replace,
)
from extbuild.compress.uses import matrix_uses
from extbuild.errors import CompressError, ContractError


@dataclass(frozen=True, slots=True)
class Tie:
    """A table with its lookups and heads; ``heads`` are MatMul nodes."""

    table: ir.Value
    lookups: tuple[ir.Node, ...]
    heads: tuple[ir.Node, ...]


@dataclass(frozen=True, slots=True)
class TieEmbeddingsPass:
    """See the rules above. ``place`` names the recipe entry in errors."""

    place: str
    name: Literal["tie_embeddings"] = "tie_embeddings"

    def requires(self, model: ir.Model) -> None:
        """Some output head equals an embedding table."""
        if not _ties(model):
            raise CompressError(
                self.place, "finds no output head that equals an embedding table", do="remove it"
            )

    def run(self, model: ir.Model) -> Outcome:
        """Rewrite every tie."""
        ties = _ties(model)
        for tie in ties:
            _share(model, tie)
        drop_unused(model)
        return Outcome(sum(len(tie.lookups) + len(tie.heads) for tie in ties))

    def ensures(self, model: ir.Model, outcome: Outcome) -> None:
        """Nothing is left to tie."""
        if outcome.changed == 0 or _ties(model):
            raise ContractError("pass tie_embeddings left a head that equals a table")


def _ties(model: ir.Model) -> list[Tie]:
    matrices = float_matrices(model)
    ties = []
    for table in matrices:
        uses = matrix_uses(table)
        lookups = tuple(use.node for use in uses if use.kind == "rows" and _rank(use.node))
        turned = [use.node for use in uses if use.kind == "other" and _is_transpose(use.node)]
        if not lookups or len(lookups) + len(turned) != len(uses):
            continue
        heads = [user for node in turned for user, _ in node.outputs[0].uses()]
        if any(node.op_type != "MatMul" for node in heads):
            continue
        heads += [
            use.node
            for other in matrices
            if other is not table and _equal_transposed(table, other)
            for use in matrix_uses(other)
            if use.kind == "product" and use.node.op_type == "MatMul"
        ]
        if heads:
            ties.append(Tie(table, lookups, tuple(heads)))
    return ties


def _share(model: ir.Model, tie: Tie) -> None:
    held = constant(tie.table)
    if held is None:
        raise ContractError(f"table {tie.table.name} lost its value")
    name = str(tie.table.name)
    shared = add_initializer(model, f"{name}.transposed", held.T)
    for head in tie.heads:
        head.replace_input_with(1, shared)
    for lookup in tie.lookups:
        rank = _rank(lookup)
        columns = insert(
            lookup, "Gather", [shared, lookup.inputs[1]], f"{lookup.name}.columns", {"axis": 1}
        )
        order = [*range(1, rank + 1), 0]
        replace(
            lookup, insert(lookup, "Transpose", [columns], f"{lookup.name}.rows", {"perm": order})
        )


def _rank(lookup: ir.Node) -> int:
    """Dimensions of the ids; 0 if the graph does not say, or if they are a scalar."""
    ids = lookup.inputs[1]
    return 0 if ids is None or ids.shape is None else len(ids.shape)


def _is_transpose(node: ir.Node) -> bool:
    order = node.attributes.get("perm")
    swaps = order is None or list(order.as_ints()) == [1, 0]
    return node.op_type == "Transpose" and node.domain == "" and swaps


def _equal_transposed(table: ir.Value, other: ir.Value) -> bool:
    if table.shape is None or other.shape is None or list(table.shape) != list(other.shape)[::-1]:
        return False
    one, two = constant(table), constant(other)
    return one is not None and two is not None and np.array_equal(one.T, two)
