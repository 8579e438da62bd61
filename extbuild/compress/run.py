"""The compress stage: a recipe's passes, in order, each under its contract."""

from collections.abc import Callable, Sequence
from typing import assert_never

from extbuild.artifacts import CompressedModel, PassReport, SourceModel
from extbuild.compress.contract import Pass, apply
from extbuild.compress.passes.blocks import BlocksPass
from extbuild.compress.passes.dynamic_int8 import DynamicInt8Pass
from extbuild.compress.passes.float16 import Float16Pass
from extbuild.compress.passes.fold_constants import FoldConstantsPass
from extbuild.compress.passes.tie_embeddings import TieEmbeddingsPass
from extbuild.config.recipe import (
    Block4Bit,
    Block8Bit,
    DynamicInt8,
    Float16,
    FoldConstants,
    PassSpec,
    TieEmbeddings,
)


def compress(
    source: SourceModel,
    passes: Sequence[PassSpec],
    progress: Callable[[str], None] | None = None,
) -> CompressedModel:
    """Run the passes; with none, the result is the model as it came.

    ``progress`` is told the name of each pass as it starts. Raises CompressError where a pass
    cannot run on this model, ContractError where a pass breaks its promise.
    """
    graph = source.graph
    reports: list[PassReport] = []
    for index, spec in enumerate(passes):
        if progress is not None:
            progress(spec.name)
        graph, report = apply(pass_for(spec, f"{source.name}: passes[{index}] {spec.name}"), graph)
        reports.append(report)
    return CompressedModel(source=source, graph=graph, reports=tuple(reports))


def pass_for(spec: PassSpec, place: str) -> Pass:
    """The pass that a recipe entry names."""
    match spec:
        case FoldConstants():
            return FoldConstantsPass()
        case TieEmbeddings():
            return TieEmbeddingsPass(place)
        case DynamicInt8():
            return DynamicInt8Pass(spec, place)
        case Block4Bit() | Block8Bit():
            return BlocksPass(spec, place)
        case Float16():
            return Float16Pass(spec, place)
        case _:
            assert_never(spec)
