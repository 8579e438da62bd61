"""Store the float32 weights that are left as float16.

Rules:

1. A float32 initialiser of two or more dimensions and at least :data:`MIN_VALUES` values becomes a
   float16 one and a Cast to float32 in front of its users, so arithmetic stays float32. The
   runtime folds the Cast when it loads the model: this saves bytes on disk, not memory.
2. Values that float16 cannot hold (beyond 65504) keep their tensor in float32, with a note.
3. Vectors stay: norms, biases and scales are small and sensitive.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from extbuild.compress.contract import Outcome
from extbuild.compress.graph import add_initializer, constant, drop_unused, insert, unmatched
from extbuild.config.recipe import Float16
from extbuild.errors import CompressError, ContractError

MIN_VALUES = 1024
LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class Float16Pass:
    """See the rules above. ``place`` names the recipe entry in errors."""

    spec: Float16
    place: str
    name: Literal["float16"] = "float16"

    def requires(self, model: ir.Model) -> None:
        """Every ``skip`` pattern fits something."""
        lost = unmatched(model, self.spec.skip)
        if lost:
            raise CompressError(
                f"{self.place}.skip", "must name weights of the graph", found=", ".join(lost)
            )

    def run(self, model: ir.Model) -> Outcome:
        """Convert every tensor that qualifies."""
        changed, error = 0, 0.0
        notes: list[str] = []
        for value in _candidates(model, self.spec.skip):
            held = np.asarray(constant(value), np.float32)
            if np.abs(held).max(initial=0.0) > LARGEST:
                notes.append(f"{value.name} stays float32 (beyond {LARGEST:g})")
                continue
            half = held.astype(np.float16)
            error = max(error, float(np.abs(half.astype(np.float32) - held).max(initial=0.0)))
            _convert(model, value, half)
            changed += 1
        drop_unused(model)
        return Outcome(changed, error, tuple(notes))

    def ensures(self, model: ir.Model, outcome: Outcome) -> None:
        """What is left in float32 is what the report names."""
        left = _candidates(model, self.spec.skip)
        if len(left) != len(outcome.notes):
            raise ContractError(f"float16 left {len(left)} tensors, noted {len(outcome.notes)}")


def _candidates(model: ir.Model, skip: tuple[str, ...]) -> list[ir.Value]:
    return [
        value
        for value in model.graph.initializers.values()
        if value.dtype == ir.DataType.FLOAT
        and value.shape is not None
        and len(value.shape) > 1
        and value.const_value is not None
        and value.const_value.size >= MIN_VALUES
        and not value.is_graph_output()
        and not any(fnmatchcase(str(value.name), pattern) for pattern in skip)
        and all(node.domain == "" for node, _ in value.uses())
    ]


def _convert(model: ir.Model, value: ir.Value, half: NDArray[np.float16]) -> None:
    uses = list(value.uses())
    stored = add_initializer(model, f"{value.name}.float16", half)
    # Weights are constant, so the Cast may stand first of all nodes: before every user.
    first = model.graph[0]
    wide = insert(first, "Cast", [stored], f"{value.name}.float32", {"to": int(ir.DataType.FLOAT)})
    wide.shape, wide.type = value.shape, value.type
    for node, index in uses:
        node.replace_input_with(index, wide)
