"""From a compressed graph to every form in which the extension may run it."""

from collections.abc import Mapping
from dataclasses import dataclass

from extbuild.artifacts import CompiledModel, CompressedModel, OrtFiles
from extbuild.compile.lower import NotLowered, lower
from extbuild.compile.ort import compile_for_ort
from extbuild.compile.program import serialize
from extbuild.errors import ContractError


@dataclass(frozen=True, slots=True)
class Forms:
    """A model for ONNX Runtime Web, and for the engine where the graph could be lowered.

    Which of them ship is decided when the engine's form has been compared with the other one.
    ``operations`` counts the Program's kernel calls; it and ``program`` are None, and ``reason``
    says why, where the graph was not lowered.
    """

    ort: CompiledModel
    program: bytes | None
    weights: bytes
    operations: int | None
    reason: str | None


def compile_forms(compressed: CompressedModel, *, gpu: bool) -> Forms:
    """Lower the graph if it can be, and pack it for ONNX Runtime Web, which always can.

    ``gpu`` says whether it may run on a GPU there. Raises CompileError for a graph that no backend
    runs.
    """
    ort = compile_for_ort(compressed, gpu=gpu)
    source = compressed.source
    lowered = lower(compressed.graph, source.name, max_positions=_positions(source.config))
    if isinstance(lowered, NotLowered):
        return Forms(ort, None, b"", None, lowered.reason)
    return Forms(
        ort=ort,
        program=serialize(lowered.program),
        weights=lowered.weights,
        operations=len(lowered.program.operations),
        reason=None,
    )


def ort_files(compiled: CompiledModel) -> OrtFiles:
    """The files for ONNX Runtime Web of a model that has them."""
    if compiled.ort is None:
        raise ContractError(f"{compiled.name} was not compiled for ONNX Runtime Web")
    return compiled.ort


def _positions(config: Mapping[str, object]) -> int | None:
    """The longest text that config.json tells of, in either of the two names for it."""
    for key in ("max_position_embeddings", "n_positions"):
        value = config.get(key)
        if isinstance(value, int) and value > 0:
            return value
    return None
