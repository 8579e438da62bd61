"""What the browsers compute is what native ONNX Runtime computes from the same packed bytes.

Everything in between is under test: shards put together, tokenizer, padding, the engine, and the
way of a message there and back.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from extbuild.artifacts import TargetName
from extbuild.bench.packed import Packed, read_packed
from extbuild.browsers import Browser
from extbuild.browsers.engine import Call
from extbuild.config.load import load_project
from tests.e2e.cases import BENIGN, HARMFUL, OTHER_SCRIPT, PROMPTS
from tests.e2e.harness import native
from tests.e2e.harness.desk import Desk

# Activations are quantised to 8 bits on the way: where the last bit of a float32 sum differs, one
# of them may round to its neighbour, which moves a probability by less than this.
TOLERANCE = 0.02
FIXTURES = 24
# Among words that the model holds for nearly as improbable as others, such a step changes which
# comes first: so texts are compared as far as it is at all sure.
MIN_CONFIDENCE = 0.05


@pytest.fixture(scope="session")
def packed(packages: Mapping[TargetName, Path], tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """The models in the archives, whose bytes are the same for both browsers."""
    directory = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(packages["firefox"]) as archive:
        archive.extractall(directory)
    return read_packed(directory)


def test_scores_are_those_of_native_onnx_runtime(desk: Desk, root: Path, packed: Packed) -> None:
    """One text a call on both sides: texts of one batch share the range of their quantisation."""
    assert packed.moderation is not None
    fixtures = load_project(root).model("moderation").fixtures.read_text().splitlines()
    every = max(1, len(fixtures) // FIXTURES)
    texts = [*HARMFUL, *BENIGN, OTHER_SCRIPT, "12 : 30"]
    texts += [json.loads(line)["text"] for line in fixtures[::every]]
    answers = desk.ask(
        [Call("moderation.score", {"texts": [text], "lane": "visible"}) for text in texts]
    )
    found = [
        cast("dict[str, list[list[float] | None]]", answer.res)["scores"][0] for answer in answers
    ]
    expected = native.scores(*packed.moderation, texts)
    assert [row is None for row in found] == [row is None for row in expected]
    different = {
        text: (here, there)
        for text, here, there in zip(texts, found, expected, strict=True)
        if here and there and max(abs(a - b) for a, b in zip(here, there, strict=True)) > TOLERANCE
    }
    assert different == {}


def test_suggestions_are_those_of_native_onnx_runtime(
    browser: Browser, desk: Desk, packed: Packed
) -> None:
    """Both sides begin with an empty cache, since what is in it decides what is read at once."""
    assert packed.completion is not None
    runtime, _ = packed.completion
    browser.stop_background()
    answers = desk.ask(
        [
            Call(
                "completion.suggest",
                {
                    "field": "field",
                    "before": prompt,
                    "after": "",
                    "minConfidence": MIN_CONFIDENCE,
                    "maxWords": runtime.max_words,
                },
            )
            for prompt in PROMPTS
        ]
    )
    found = [cast("dict[str, object]", answer.res) for answer in answers]
    expected = native.suggestions(*packed.completion, PROMPTS, MIN_CONFIDENCE)
    assert any(suggestion.text for suggestion in expected)
    assert [row["text"] for row in found] == [suggestion.text for suggestion in expected]
    assert [row["confidence"] for row in found] == pytest.approx(
        [suggestion.confidence for suggestion in expected], abs=TOLERANCE
    )
