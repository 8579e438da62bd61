"""What a compress pass promises, and the runner's own check of every promise.

::

    requires(model)          may this pass run here? CompressError names tensor and remedy
    run(copy) -> Outcome     edits the copy that it was given
    ensures(copy, outcome)   what the pass knows to be true afterwards; ContractError if it is not

Around that, :func:`apply` checks for every pass: graph inputs and outputs are the same by name,
dtype and shape; the model that came in is untouched; the graph that went out is valid; sizes in the
report are counted here and not believed. A broken promise is a ContractError, a bug of ours.
"""

import hashlib
import math
import time
from dataclasses import dataclass
from typing import Protocol

import onnx
import onnx_ir as ir

from extbuild.artifacts import PassReport
from extbuild.compress.graph import weight_bytes
from extbuild.errors import ContractError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass says it did: see :class:`~extbuild.artifacts.PassReport` for the fields."""

    changed: int
    max_abs_error: float | None = None
    notes: tuple[str, ...] = ()


class Pass(Protocol):
    """One idea for making a model smaller."""

    @property
    def name(self) -> str:
        """The name that recipes use."""
        ...

    def requires(self, model: ir.Model) -> None:
        """Raise CompressError if the pass cannot do its work on this model."""
        ...

    def run(self, model: ir.Model) -> Outcome:
        """Edit ``model``, which is the pass's own copy; its tensors are shared, so replace them."""
        ...

    def ensures(self, model: ir.Model, outcome: Outcome) -> None:
        """Raise ContractError if the edited model is not as the pass promises."""
        ...


def apply(step: Pass, model: ir.Model) -> tuple[ir.Model, PassReport]:
    """Run one pass under its contract; returns the new model and a true report."""
    step.requires(model)
    started = time.perf_counter()
    before = fingerprint(model)
    edited = model.clone()
    outcome = step.run(edited)
    if fingerprint(model) != before:
        raise ContractError(f"pass {step.name} changed the model that it was given")
    _same_signature(step.name, model, edited)
    _valid(step.name, edited)
    _plausible(step.name, outcome)
    step.ensures(edited, outcome)
    return edited, PassReport(
        name=step.name,
        changed=outcome.changed,
        weight_bytes_before=weight_bytes(model),
        weight_bytes_after=weight_bytes(edited),
        nodes_before=model.graph.num_nodes(),
        nodes_after=edited.graph.num_nodes(),
        max_abs_error=outcome.max_abs_error,
        seconds=time.perf_counter() - started,
        notes=outcome.notes,
    )


def fingerprint(model: ir.Model) -> str:
    """A hash of everything that a pass could change: nodes, names, types and weights."""
    digest = hashlib.blake2b(digest_size=16)
    for node in model.graph:
        digest.update(repr(node).encode())
    for value in (*model.graph.inputs, *model.graph.outputs):
        digest.update(repr((value.name, value.dtype, value.shape)).encode())
    for name, value in model.graph.initializers.items():
        digest.update(name.encode())
        if value.const_value is not None:
            digest.update(value.const_value.numpy().data)
    return digest.hexdigest()


def signature(model: ir.Model) -> dict[str, tuple[str, str, str]]:
    """Kind, dtype and shape of every graph input and output, by name and in order."""
    sides = (("input", model.graph.inputs), ("output", model.graph.outputs))
    return {
        str(value.name): (kind, str(value.dtype), str(value.shape))
        for kind, values in sides
        for value in values
    }


def _same_signature(name: str, before: ir.Model, after: ir.Model) -> None:
    old, new = list(signature(before).items()), list(signature(after).items())
    if old != new:
        changed = [item for item in new if item not in old] or [
            item for item in old if item not in new
        ]
        raise ContractError(f"pass {name} changed the graph's inputs or outputs: {changed or new}")


def _valid(name: str, model: ir.Model) -> None:
    try:
        proto = ir.to_proto(model)
        onnx.checker.check_model(proto)
        onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise ContractError(f"pass {name} left an invalid graph: {error}") from error


def _plausible(name: str, outcome: Outcome) -> None:
    error = outcome.max_abs_error
    if outcome.changed < 0 or (error is not None and not (math.isfinite(error) and error >= 0)):
        raise ContractError(f"pass {name} reported what cannot be: {outcome}")
