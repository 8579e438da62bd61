"""The worker gives the figures that the build measured: same packed bytes, same numbers.

The worker's own code runs in Node, on the engine and on onnxruntime-web; Python's on the engine
under wasmtime and on native onnxruntime.
"""

import dataclasses
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import pytest
from tokenizers import Tokenizer

from extbuild.artifacts import CompiledModel, Variant
from extbuild.config.load import load_project
from extbuild.config.recipe import (
    Block4Bit,
    CompletionPolicy,
    DynamicInt8,
    ModerationPolicy,
    PassSpec,
    TieEmbeddings,
)
from extbuild.config.runtime import BackendName
from extbuild.evaluate.moderation import Verdict, classify
from extbuild.evaluate.session import DecoderSession
from extbuild.evaluate.settings import CompletionSettings, ModerationSettings
from extbuild.evaluate.suggest import Limits, Parts, Suggestion, suggest
from extbuild.evaluate.vocabulary import token_vocabulary
from extbuild.source.synthetic import LABELS, write_tiny_completion, write_tiny_moderation
from tests.node import ROOT, node_json
from tests.parity.packing import Original, Packed, packed_for, write_package

SCRIPT = Path(__file__).parent / "run_engine.ts"
LOGIT_TOLERANCE = 1e-4
"""Relative to the logit or to 1: what single precision leaves after some hundred sums."""
ROUNDED_TOLERANCE = 0.05
"""On a probability, where activations are rounded to 8 bits at run time.

A difference in the last bit of a float32 then tips values that lie between two steps to the one or
to the other. Most numbers agree to the last digit all the same.
"""
SAME_SUGGESTIONS = 0.9
"""Share of carets that get the same text in spite of that."""


class Running(TypedDict):
    """What runs a model in the worker."""

    backend: str
    demoted: list[dict[str, str]]


class Found(TypedDict):
    """What run_engine.ts prints."""

    alone: list[list[float] | None]
    together: list[list[float] | None]
    suggestions: list[dict[str, object]]
    running: dict[str, Running]


@dataclasses.dataclass(frozen=True)
class Case:
    """Two packed models, what the worker made of the texts and prompts, and these."""

    backend: BackendName
    moderation: Packed
    completion: Packed
    texts: list[str]
    prompts: list[tuple[str, str]]
    found: Found


def fixtures_of(name: str) -> Path:
    return ROOT / "models" / name / "fixtures" / "eval.jsonl"


def rows_of(name: str, every: int) -> list[str]:
    lines = fixtures_of(name).read_text(encoding="utf-8").splitlines()
    return [str(json.loads(line)["text"]) for line in lines[::every]]


def prompts_in(texts: list[str]) -> list[tuple[str, str]]:
    """Carets at the beginning, in the middle and at the end of words, and at the ends of texts."""
    prompts = []
    for index, text in enumerate(texts):
        for share in (0.2, 0.5, 0.55, 0.9):
            at = int(len(text) * share) + index % 3
            prompts.append((text[:at], text[at : at + 100] if index % 4 == 0 else ""))
    odd = ["", " ", "\n", "Hi", "Hi ", "Hi\n", "naïve ca", "x" * 40, "😀 I lo", "I \ud800"]
    long = " ".join(texts)[:3900]
    return [
        *prompts,
        *((before, "") for before in odd),
        *((long[:at], "") for at in (1500, 1501, 1540, 3000, 3900)),
        (" word" * 600 + " th", ""),
    ]


def run_worker(
    backend: BackendName,
    originals: Mapping[str, Original],
    modules: Mapping[Variant, bytes],
    directory: Path,
    shard: int,
) -> Case:
    texts = [
        *rows_of("moderation", 9),
        *("", "12 34", "Привет, мир", "ok Привет", "a" * 3000, "\ud800 you idiot", "<b>no</b>"),
    ]
    prompts = prompts_in(rows_of("completion", 4))
    moderation, completion = (
        packed_for(backend, originals[task], modules) for task in ("moderation", "completion")
    )
    package = write_package([moderation, completion], modules, directory, shard)
    given = {
        "package": str(package),
        "backends": [backend],
        "texts": texts,
        "prompts": prompts,
    }
    found: Found = json.loads(node_json(SCRIPT, json.dumps(given)))
    return Case(backend, moderation, completion, texts, prompts, found)


def tiny(
    folder: Path, passes: Sequence[PassSpec], completion_passes: Sequence[PassSpec]
) -> dict[str, Original]:
    write_tiny_moderation(folder / "m")
    write_tiny_completion(folder / "c")
    moderation = ModerationPolicy(
        max_tokens=32, batch_tokens=128, thresholds=dict.fromkeys(LABELS, 0.5)
    )
    completion = CompletionPolicy(
        context_tokens=48, max_new_tokens=6, max_words=4, min_confidence=1e-6
    )
    return {
        "moderation": Original(
            folder / "m", "moderation", passes, moderation, fixtures_of("moderation")
        ),
        "completion": Original(
            folder / "c", "completion", completion_passes, completion, fixtures_of("completion")
        ),
    }


def shipped(left_out: tuple[str, ...] = ()) -> dict[str, Original]:
    originals: dict[str, Original] = {}
    for entry in load_project(ROOT).models:
        recipe = entry.recipe
        policy = recipe.moderation or recipe.completion
        assert policy is not None
        if isinstance(policy, CompletionPolicy):
            # Less sure than what ships, so that more and longer suggestions are compared.
            policy = policy.model_copy(update={"min_confidence": 0.05})
        passes = [spec for spec in recipe.passes if spec.name not in left_out]
        originals[recipe.task] = Original(
            entry.source_directory, recipe.task, passes, policy, entry.fixtures
        )
    return originals


def originals_called(name: str, folder: Path) -> dict[str, Original]:
    tie = TieEmbeddings(name="tie_embeddings")
    match name:
        case "tiny":
            return tiny(folder, [], [])
        case "tiny 8 bits":
            int8 = DynamicInt8(name="dynamic_int8")
            return tiny(folder, [int8], [tie, int8])
        case "tiny 7 bits":
            int7 = DynamicInt8(name="dynamic_int8", weight_bits=7)
            return tiny(folder, [int7], [tie, int7])
        case "tiny 4 bits":
            block = Block4Bit(name="block_4bit", block=32)
            return tiny(folder, [block], [tie, block])
        case "full size":
            return shipped(left_out=("dynamic_int8",))
        case "as shipped":
            return shipped()
    raise AssertionError(name)


SHARD_BYTES = {"full size": 1_048_576, "as shipped": 1_048_576}


def case_of(
    request: pytest.FixtureRequest,
    modules: Mapping[Variant, bytes],
    factory: pytest.TempPathFactory,
) -> Case:
    name, backend = request.param
    folder = factory.mktemp("case")
    shard = SHARD_BYTES.get(name, 10_000)
    return run_worker(backend, originals_called(name, folder), modules, folder / "package", shard)


EXACT: tuple[tuple[str, BackendName], ...] = (
    ("tiny", "engine-simd"),
    ("tiny", "engine-relaxed"),
    ("tiny", "engine-threads"),
    ("tiny", "ort-wasm"),
    ("tiny 4 bits", "ort-wasm"),
    ("full size", "engine-relaxed"),
    ("full size", "ort-wasm"),
)
ROUNDED: tuple[tuple[str, BackendName], ...] = (
    ("tiny 8 bits", "engine-simd"),
    ("tiny 8 bits", "engine-relaxed"),
    ("tiny 7 bits", "engine-relaxed"),
    ("tiny 8 bits", "ort-wasm"),
    ("tiny 4 bits", "engine-simd"),
    ("tiny 4 bits", "engine-relaxed"),
    ("as shipped", "engine-simd"),
    ("as shipped", "engine-relaxed"),
)


@pytest.fixture(scope="module", params=EXACT, ids=" on ".join)
def exact(
    request: pytest.FixtureRequest,
    engine: Mapping[Variant, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Case:
    """Models that both sides compute alike, but for the last digits."""
    return case_of(request, engine, tmp_path_factory)


@pytest.fixture(scope="module", params=ROUNDED, ids=" on ".join)
def rounded(
    request: pytest.FixtureRequest,
    engine: Mapping[Variant, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Case:
    """Models whose activations are rounded at run time; some are this repository's own."""
    return case_of(request, engine, tmp_path_factory)


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def python_verdicts(case: Case, judged: CompiledModel) -> list[Verdict]:
    """Each text in a batch of its own."""
    settings = case.moderation.settings
    assert isinstance(settings, ModerationSettings)
    one_by_one = dataclasses.replace(settings, batch_tokens=1)
    return classify(judged, one_by_one, case.texts)


def score_pairs(case: Case, judged: CompiledModel | None = None) -> list[tuple[float, float]]:
    """Python's and the worker's probability for each label of each text that is not abstained."""
    pairs: list[tuple[float, float]] = []
    verdicts = python_verdicts(case, judged or case.moderation.compiled)
    for text, verdict, scores in zip(case.texts, verdicts, case.found["alone"], strict=True):
        assert (scores is None) == verdict.abstained, f"{text[:60]!a}"
        if scores is not None:
            pairs += zip(verdict.scores.values(), scores, strict=True)
    return pairs


def check_that_it_ran_there(case: Case) -> None:
    names = {
        "engine-simd": "engine, SIMD",
        "engine-relaxed": "engine, relaxed SIMD",
        "engine-threads": "engine, 2 threads",
        "ort-wasm": "onnxruntime-web, wasm, 1 thread",
    }
    for running in case.found["running"].values():
        assert (running["backend"], running["demoted"]) == (names[case.backend], [])


def test_the_backend_passes_its_self_test(exact: Case) -> None:
    check_that_it_ran_there(exact)


def test_the_backend_passes_its_self_test_where_it_rounds(rounded: Case) -> None:
    check_that_it_ran_there(rounded)


def test_each_text_gets_the_scores_that_the_build_measured(exact: Case) -> None:
    for python, worker in score_pairs(exact):
        assert logit(worker) == pytest.approx(
            logit(python), rel=LOGIT_TOLERANCE, abs=LOGIT_TOLERANCE
        )


def test_rounding_at_run_time_moves_few_scores_and_none_far(rounded: Case) -> None:
    pairs = score_pairs(rounded)
    assert max(abs(worker - python) for python, worker in pairs) < ROUNDED_TOLERANCE
    median = statistics.median(abs(logit(worker) - logit(python)) for python, worker in pairs)
    assert median < LOGIT_TOLERANCE


def test_native_onnxruntime_gives_the_same_scores(exact: Case) -> None:
    for native, worker in score_pairs(exact, exact.moderation.reference):
        assert logit(worker) == pytest.approx(logit(native), rel=1e-3, abs=1e-3)


def test_native_onnxruntime_gives_nearly_the_same_scores(rounded: Case) -> None:
    pairs = score_pairs(rounded, rounded.moderation.reference)
    assert max(abs(worker - native) for native, worker in pairs) < ROUNDED_TOLERANCE


def test_a_text_is_judged_the_same_among_others(rounded: Case) -> None:
    found = rounded.found
    for alone, together in zip(found["alone"], found["together"], strict=True):
        assert together == (None if alone is None else pytest.approx(alone, abs=ROUNDED_TOLERANCE))


def python_suggestions(case: Case) -> list[Suggestion]:
    packed, settings = case.completion.compiled, case.completion.settings
    assert isinstance(settings, CompletionSettings)
    tokenizer = Tokenizer.from_str(packed.tokenizer_json.decode("utf-8"))
    parts = Parts(
        decoder=DecoderSession(packed, settings),
        encode=lambda text: tokenizer.encode(text).ids,
        vocabulary=token_vocabulary(packed.tokenizer_json),
        bos_id=settings.bos_id,
    )
    limits = Limits(
        context_tokens=settings.context_tokens,
        max_new_tokens=settings.max_new_tokens,
        max_words=settings.max_words,
        min_confidence=settings.min_confidence,
    )
    return [suggest(before, after, limits, parts) for before, after in case.prompts]


def test_each_caret_gets_the_suggestion_that_the_build_measured(exact: Case) -> None:
    expected = python_suggestions(exact)
    for (before, _), want, got in zip(
        exact.prompts, expected, exact.found["suggestions"], strict=True
    ):
        place = f"{before[-60:]!a}"
        assert (got["text"], got["silence"]) == (want.text, want.silence), place
        assert got["confidence"] == pytest.approx(want.confidence, rel=1e-3), place
    shown = sum(suggestion.text != "" for suggestion in expected)
    assert shown >= len(expected) // 10, f"only {shown} of {len(expected)} say anything to compare"


def test_rounding_at_run_time_changes_few_suggestions(rounded: Case) -> None:
    expected, found = python_suggestions(rounded), rounded.found["suggestions"]
    same = sum(got["text"] == want.text for want, got in zip(expected, found, strict=True))
    assert same / len(expected) >= SAME_SUGGESTIONS


def test_a_backend_that_lies_is_replaced_by_the_next(
    engine: Mapping[Variant, bytes], tmp_path: Path
) -> None:
    originals = originals_called("tiny", tmp_path)
    models = [packed_for("engine-relaxed", originals[task], engine) for task in originals]
    package = write_package(models, engine, tmp_path / "package", 10_000, "engine-relaxed")
    given = {
        "package": str(package),
        "backends": ["engine-relaxed", "engine-simd"],
        "texts": ["Thank you"],
        "prompts": [],
    }
    found: Found = json.loads(node_json(SCRIPT, json.dumps(given)))
    assert set(found["running"]) == {"moderation", "completion"}
    for running in found["running"].values():
        assert running["backend"] == "engine, SIMD"
        [demoted] = running["demoted"]
        assert (demoted["backend"], demoted["cause"]) == ("engine-relaxed", "wrong")
        assert "must be" in demoted["reason"]
