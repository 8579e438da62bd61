"""Counting a graph's operators and finding those that no backend of the extension has."""

import difflib
from collections import Counter

import onnx_ir as ir

from extbuild.compile.ort_web_operators import BY_DOMAIN
from extbuild.errors import CompileError

STANDARD = "ai.onnx"


def check_coverage(name: str, model: ir.Model) -> dict[str, int]:
    """Nodes by ``domain::op_type``, sorted, subgraphs included; CompileError names the first gap.

    ``name`` is the model's, for the error. A call of a function that the model itself defines
    counts as that function's body.
    """
    counts: Counter[str] = Counter()
    for node in _all_nodes(model):
        known = BY_DOMAIN.get(node.domain, frozenset())
        if node.op_type not in known:
            raise _gap(name, node)
        counts[f"{node.domain or STANDARD}::{node.op_type}"] += 1
    return dict(sorted(counts.items()))


def _all_nodes(model: ir.Model) -> list[ir.Node]:
    bodies: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    nodes = [node for body in bodies for node in body.all_nodes()]
    return [node for node in nodes if node.op_identifier() not in model.functions]


def _gap(name: str, node: ir.Node) -> CompileError:
    domain = node.domain or STANDARD
    known = BY_DOMAIN.get(node.domain)
    if known is None:
        do = "export the model with standard operators only"
    else:
        close = difflib.get_close_matches(node.op_type, known, n=1)
        do = "export the model without it"
        if close:
            do += f" (nearest known operator: {close[0]})"
    return CompileError(
        f"{name}: node {node.name or '(unnamed)'}",
        "must be an operator that ONNX Runtime Web has",
        found=f"{domain}::{node.op_type}",
        do=do,
    )
