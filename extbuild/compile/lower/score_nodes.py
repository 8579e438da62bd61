"""Nodes of attention scores: softmax, masks, factors."""

import numpy as np
import onnx_ir as ir

from extbuild.compile.lower import attention
from extbuild.compile.lower.attributes import attribute_int
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.state import Run, as_known
from extbuild.compile.lower.values import Known, Meaning, NeverNaN, Scores


def never_nan(run: Run, node: ir.Node) -> Meaning:
    """IsNaN of shares: every token sees itself, so there is none."""
    held = run.meaning(node.inputs[0])
    if not isinstance(held, Scores) or not held.shares:
        raise RefusalError("asks for NaN elsewhere than behind a softmax")
    return NeverNaN(held)


def where(run: Run, node: ir.Node) -> Meaning:
    """A choice between scores and a very low number, or around a NaN that never is."""
    condition = run.meaning(node.inputs[0])
    yes, no = run.meaning(node.inputs[1]), run.meaning(node.inputs[2])
    if isinstance(condition, NeverNaN) and isinstance(no, Scores):
        return no
    kept = as_known(condition)
    if kept is not None and isinstance(yes, Scores) and isinstance(no, Known):
        return attention.chosen(yes, kept, no)
    if kept is not None and isinstance(no, Scores) and isinstance(yes, Known):
        hidden = Known(tuple(~array.astype(np.bool_) for array in kept.arrays))
        return attention.chosen(no, hidden, yes)
    raise RefusalError("chooses between activations")


def softmax(run: Run, node: ir.Node) -> Meaning:
    """Softmax over keys."""
    held = run.meaning(node.inputs[0])
    if not isinstance(held, Scores):
        raise RefusalError("takes a softmax of something else than attention scores")
    return attention.softmax(run, held, attribute_int(node, "axis", -1))


def with_scores(op: str, left: Meaning, right: Meaning) -> Meaning:
    """Scores times a number, or plus a mask."""
    held, other = (left, right) if isinstance(left, Scores) else (right, left)
    known = as_known(other)
    if not isinstance(held, Scores) or known is None:
        raise RefusalError("combines attention scores with activations")
    number = known.number()
    if number == 0 and op in ("Mul", "Div"):
        raise RefusalError("multiplies attention scores by 0, or divides them by it")
    if number is not None and op in ("Mul", "Div") and (op == "Mul" or held is left):
        return attention.scaled(held, number if op == "Mul" else 1 / number)
    if op == "Add":
        return attention.biased(held, known)
    raise RefusalError("changes attention scores otherwise than by a number or a mask")
