"""The engine itself runs what was lowered, with guard zones around everything that it writes."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from extbuild.bundle.engine import build_engine
from extbuild.cache import Cache
from extbuild.compile.lower import Lowered
from extbuild.compile.program import Kind, serialize
from extbuild.compress.run import compress
from extbuild.config.recipe import PassSpec
from extbuild.engine.host import EngineModel, RunLimits
from extbuild.process import run
from extbuild.source.synthetic import Family
from tests.unit.compile.lower.compare import TEXTS, lowered
from tests.unit.compile.lower.executor import Executor
from tests.unit.compile.lower.exported import Style, bert
from tests.unit.compile.lower.exported_decoder import DecoderStyle, decoder
from tests.unit.compile.lower.test_models import BLOCK8, FOLD, HALF, INT4, INT7, INT8, TIE, tiny

RECIPES: list[tuple[list[PassSpec], float]] = [
    ([], 1e-5),
    ([FOLD, HALF], 1e-5),
    ([FOLD, INT8], 5e-3),
    ([FOLD, INT7], 5e-3),
    ([FOLD, INT4], 5e-2),
    ([FOLD, BLOCK8], 5e-2),
]
FAMILIES: list[Family] = [
    "bert",
    "bert-embedding",
    "distilbert",
    "roberta",
    "gpt2",
    "llama",
    "qwen2",
    "qwen3",
]


@pytest.fixture(scope="module")
def module(root: Path) -> bytes:
    cache = Cache(root / ".extbuild" / "engine-tests", max_bytes=20_000_000)
    return build_engine(root / "extension_src", cache, run, builds=("debug",))["debug"]


def difference(module: bytes, found: Lowered) -> float:
    """Largest difference between engine and numpy over the spread of the results."""
    plain = Executor(found.program, found.weights)
    encoder = found.program.kind is Kind.ENCODER
    tokens = sum(len(text) for text in TEXTS)
    limits = (
        RunLimits(max_tokens=tokens, max_sequences=len(TEXTS))
        if encoder
        else RunLimits(max_tokens=16, max_outputs=16, streams=1, cache_tokens=tokens)
    )
    engine = EngineModel(module, serialize(found.program), found.weights, limits)
    if encoder:
        expected, result = plain.encode(TEXTS), engine.run(TEXTS)
    else:
        pieces, parts = [], []
        for text in (TEXTS[2][:4], TEXTS[2][4:5], TEXTS[0]):
            wanted = list(range(len(text)))[::-1]
            pieces.append(plain.decode(text, wanted))
            parts.append(engine.run([text], streams=[0], wanted=wanted))
        expected, result = np.concatenate(pieces), np.concatenate(parts)
    assert engine.guards_broken == 0
    assert result.shape == expected.shape
    return float(np.abs(result - expected).max() / np.ptp(expected))


@pytest.mark.parametrize(("passes", "tolerance"), RECIPES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_engine_computes_what_was_lowered(
    tmp_path: Path, module: bytes, family: Family, passes: list[PassSpec], tolerance: float
) -> None:
    if family in ("llama", "gpt2", "qwen3") and passes:
        passes = [FOLD, TIE, *passes[1:]]
    graph = compress(tiny(tmp_path, family), passes).graph
    assert difference(module, lowered(graph)) < tolerance


@pytest.mark.parametrize(
    "model",
    [
        bert(Style(fused=True)),
        bert(Style(positions="ids", pooling="none")),
        decoder(DecoderStyle(repeat="expand", fused=True)),
    ],
    ids=["alternating heads", "hidden states", "fused decoder"],
)
def test_the_engine_computes_other_exports(module: bytes, model: ir.Model) -> None:
    assert difference(module, lowered(model)) < 1e-5
