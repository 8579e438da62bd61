"""The worker gives the figures that the build measured: same packed bytes, same numbers.

The worker's own code runs in Node on onnxruntime-web, Python's on native onnxruntime.
"""

import dataclasses
import json
import math
import statistics
from pathlib import Path
from typing import TypedDict

import pytest
from tokenizers import Tokenizer

from extbuild.config.load import load_project
from extbuild.config.recipe import (
    Block4Bit,
    CompletionPolicy,
    DynamicInt8,
    ModerationPolicy,
    PassSpec,
    TieEmbeddings,
)
from extbuild.evaluate.moderation import Verdict, classify
from extbuild.evaluate.session import DecoderSession
from extbuild.evaluate.settings import CompletionSettings, ModerationSettings
from extbuild.evaluate.suggest import Limits, Parts, Suggestion, suggest
from extbuild.evaluate.vocabulary import token_vocabulary
from extbuild.source.synthetic import LABELS, write_tiny_completion, write_tiny_moderation
from tests.node import ROOT, node_json
from tests.parity.packing import Packed, compiled_model, write_package

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


class Found(TypedDict):
    """What run_engine.ts prints."""

    alone: list[list[float] | None]
    together: list[list[float] | None]
    suggestions: list[dict[str, object]]


@dataclasses.dataclass(frozen=True)
class Case:
    """Two packed models, what the worker made of the texts and prompts, and these."""

    moderation: Packed
    completion: Packed
    texts: list[str]
    prompts: list[tuple[str, str]]
    found: Found


def rows_of(name: str, every: int) -> list[str]:
    fixtures = ROOT / "models" / name / "fixtures" / "eval.jsonl"
    lines = fixtures.read_text(encoding="utf-8").splitlines()
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


def run_worker(moderation: Packed, completion: Packed, directory: Path, shard: int) -> Case:
    texts = [
        *rows_of("moderation", 9),
        *("", "12 34", "Привет, мир", "ok Привет", "a" * 3000, "\ud800 you idiot", "<b>no</b>"),
    ]
    prompts = prompts_in(rows_of("completion", 4))
    package = write_package([moderation, completion], directory, shard)
    given = {"package": str(package), "texts": texts, "prompts": prompts}
    found: Found = json.loads(node_json(SCRIPT, json.dumps(given)))
    return Case(moderation, completion, texts, prompts, found)


def tiny(tmp_path: Path, passes: list[PassSpec], completion_passes: list[PassSpec]) -> Case:
    write_tiny_moderation(tmp_path / "m")
    write_tiny_completion(tmp_path / "c")
    moderation = ModerationPolicy(
        max_tokens=32, batch_tokens=128, thresholds=dict.fromkeys(LABELS, 0.5)
    )
    completion = CompletionPolicy(
        context_tokens=48, max_new_tokens=6, max_words=4, min_confidence=1e-6
    )
    return run_worker(
        compiled_model(tmp_path / "m", "moderation", passes, moderation),
        compiled_model(tmp_path / "c", "completion", completion_passes, completion),
        tmp_path / "package",
        shard=10_000,
    )


def shipped(tmp_path: Path, left_out: tuple[str, ...] = ()) -> Case:
    project = load_project(ROOT)
    packed: dict[str, Packed] = {}
    for entry in project.models:
        recipe = entry.recipe
        policy = recipe.moderation or recipe.completion
        assert policy is not None
        if isinstance(policy, CompletionPolicy):
            # Less sure than what ships, so that more and longer suggestions are compared.
            policy = policy.model_copy(update={"min_confidence": 0.05})
        source = entry.source_directory
        passes = [spec for spec in recipe.passes if spec.name not in left_out]
        packed[recipe.task] = compiled_model(source, recipe.task, passes, policy)
    return run_worker(
        packed["moderation"],
        packed["completion"],
        tmp_path / "package",
        shard=project.extension.max_shard_bytes,
    )


@pytest.fixture(scope="module", params=["tiny", "tiny 4 bits", "full size"])
def exact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Models that both engines compute alike, but for the last digits."""
    folder = tmp_path_factory.mktemp("exact")
    if request.param == "tiny":
        return tiny(folder, [], [])
    if request.param == "tiny 4 bits":
        block = Block4Bit(name="block_4bit", block=32)
        return tiny(folder, [block], [TieEmbeddings(name="tie_embeddings"), block])
    return shipped(folder, left_out=("dynamic_int8",))


@pytest.fixture(scope="module", params=["tiny 8 bits", "as shipped"])
def rounded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Models whose activations are rounded at run time; the second are this repository's own."""
    folder = tmp_path_factory.mktemp("rounded")
    if request.param == "as shipped":
        return shipped(folder)
    int8 = DynamicInt8(name="dynamic_int8")
    return tiny(folder, [int8], [TieEmbeddings(name="tie_embeddings"), int8])


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def python_verdicts(case: Case) -> list[Verdict]:
    """Each text in a batch of its own."""
    settings = case.moderation.settings
    assert isinstance(settings, ModerationSettings)
    one_by_one = dataclasses.replace(settings, batch_tokens=1)
    return classify(case.moderation.compiled, one_by_one, case.texts)


def score_pairs(case: Case) -> list[tuple[float, float]]:
    """Python's and the worker's probability for each label of each text that is not abstained."""
    pairs: list[tuple[float, float]] = []
    verdicts = python_verdicts(case)
    for text, verdict, scores in zip(case.texts, verdicts, case.found["alone"], strict=True):
        assert (scores is None) == verdict.abstained, f"{text[:60]!a}"
        if scores is not None:
            pairs += zip(verdict.scores.values(), scores, strict=True)
    return pairs


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
