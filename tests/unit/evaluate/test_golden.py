"""The file by which backends are tested: what is in it, and what it finds out."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from extbuild.artifacts import CompiledModel, Task
from extbuild.compile.ort import compile_for_ort
from extbuild.compile.run import ort_files
from extbuild.compress.run import compress
from extbuild.config.recipe import CompletionPolicy, DynamicInt8, ModerationPolicy
from extbuild.errors import DataError
from extbuild.evaluate.golden import (
    BLOCK_TOLERANCE,
    FLOAT_TOLERANCE,
    INT8_DECODER_TOLERANCE,
    INT8_ENCODER_TOLERANCE,
    DecoderGolden,
    EncoderGolden,
    compare_decoder,
    compare_encoder,
    golden_text,
    tolerance_for,
)
from extbuild.evaluate.golden_inputs import make_golden
from extbuild.evaluate.on_ort import OrtDecoder, OrtEncoder
from extbuild.evaluate.settings import (
    CompletionSettings,
    ModerationSettings,
    completion_settings,
    moderation_settings,
)
from extbuild.source.load import load_source
from extbuild.source.synthetic import (
    LABELS,
    write_tiny_completion,
    write_tiny_fixtures,
    write_tiny_moderation,
)

Float32 = NDArray[np.float32]
INT8 = DynamicInt8(name="dynamic_int8")


class Encoder:
    """An encoder, with `wrong` added to every logit."""

    def __init__(self, inner: OrtEncoder, wrong: float) -> None:
        self._inner, self._wrong = inner, np.float32(wrong)

    def logits(self, rows: Sequence[Sequence[int]]) -> Float32:
        return self._inner.logits(rows) + self._wrong

    def each(self, batches: Sequence[Sequence[Sequence[int]]]) -> Iterator[Float32]:
        return map(self.logits, batches)


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, Path]:
    folder = tmp_path_factory.mktemp("fixtures")
    tasks: tuple[Task, ...] = ("moderation", "completion")
    for task in tasks:
        write_tiny_fixtures(folder / f"{task}.jsonl", task)
    return {task: folder / f"{task}.jsonl" for task in tasks}


@pytest.fixture(scope="module")
def moderation(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[CompiledModel, ModerationSettings]:
    folder = tmp_path_factory.mktemp("moderation")
    write_tiny_moderation(folder)
    source = load_source(folder, "moderation", "moderation")
    policy = ModerationPolicy(thresholds=dict.fromkeys(LABELS, 0.5), max_tokens=32)
    settings = moderation_settings(source.config, source.tokenizer_json, policy)
    return compile_for_ort(compress(source, (INT8,))), settings


@pytest.fixture(scope="module")
def completion(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[CompiledModel, CompletionSettings]:
    folder = tmp_path_factory.mktemp("completion")
    write_tiny_completion(folder)
    source = load_source(folder, "completion", "completion")
    policy = CompletionPolicy(min_confidence=0.0, context_tokens=64)
    settings = completion_settings(source.config, source.tokenizer_json, policy)
    return compile_for_ort(compress(source, (INT8,))), settings


@pytest.fixture(scope="module")
def encoder_golden(
    moderation: tuple[CompiledModel, ModerationSettings], fixtures: dict[Task, Path]
) -> EncoderGolden:
    golden = make_golden(*moderation, fixtures["moderation"])
    assert isinstance(golden, EncoderGolden)
    return golden


@pytest.fixture(scope="module")
def decoder_golden(
    completion: tuple[CompiledModel, CompletionSettings], fixtures: dict[Task, Path]
) -> DecoderGolden:
    golden = make_golden(*completion, fixtures["completion"])
    assert isinstance(golden, DecoderGolden)
    return golden


def test_rows_of_different_lengths_are_run_together(encoder_golden: EncoderGolden) -> None:
    lengths = [[len(row) for row in batch.rows] for batch in encoder_golden.batches]
    assert any(len(set(batch)) > 1 for batch in lengths)
    assert any(batch != sorted(batch) for batch in lengths)
    assert encoder_golden.cases == sum(map(len, lengths))


def test_texts_are_extended_shortened_and_replaced(decoder_golden: DecoderGolden) -> None:
    texts = [list(step.ids) for step in decoder_golden.steps]
    pairs = list(pairwise(texts))
    assert any(later[: len(text)] == text and later != text for text, later in pairs)
    assert any(text[: len(later)] == later and later != text for text, later in pairs)
    assert any(text[1] != later[1] for text, later in pairs)
    assert all(len(text) <= 64 for text in texts)


def test_the_reference_passes_its_own_test(
    encoder_golden: EncoderGolden,
    decoder_golden: DecoderGolden,
    moderation: tuple[CompiledModel, ModerationSettings],
    completion: tuple[CompiledModel, CompletionSettings],
) -> None:
    compiled, settings = moderation
    encoder = OrtEncoder(ort_files(compiled), settings.pad_id)
    found = compare_encoder(encoder_golden, settings, encoder)
    assert (found.max_error, found.fault(1e-6)) == (0.0, None)
    decoder = OrtDecoder(ort_files(completion[0]), completion[1])
    found = compare_decoder(decoder_golden, decoder)
    assert (found.max_error, found.fault(1e-6)) == (0.0, None)


@pytest.mark.parametrize("wrong", [1.1 * INT8_ENCODER_TOLERANCE, float("nan")])
def test_logits_that_are_off_are_found(
    encoder_golden: EncoderGolden,
    moderation: tuple[CompiledModel, ModerationSettings],
    wrong: float,
) -> None:
    compiled, settings = moderation
    encoder = Encoder(
        OrtEncoder(ort_files(compiled), settings.pad_id), wrong * encoder_golden.spread
    )
    fault = compare_encoder(encoder_golden, settings, encoder).fault(INT8_ENCODER_TOLERANCE)
    assert fault is not None
    assert "logits differ by" in fault


def test_a_decision_that_differs_is_found_even_if_logits_are_near(
    encoder_golden: EncoderGolden,
    decoder_golden: DecoderGolden,
    moderation: tuple[CompiledModel, ModerationSettings],
    completion: tuple[CompiledModel, CompletionSettings],
) -> None:
    compiled, settings = moderation
    first, *rest = encoder_golden.batches
    turned = [[None if one is None else not one for one in row] for row in first.decisions]
    batches = (dataclasses.replace(first, decisions=turned), *rest)
    encoder = OrtEncoder(ort_files(compiled), settings.pad_id)
    found = compare_encoder(dataclasses.replace(encoder_golden, batches=batches), settings, encoder)
    assert str(found.fault(1.0)).startswith("batch 0, row 0: ")
    step = dataclasses.replace(decoder_golden.steps[0], top=1 + (decoder_golden.steps[0].top or 0))
    decoder = OrtDecoder(ort_files(completion[0]), completion[1])
    wrong = compare_decoder(dataclasses.replace(decoder_golden, steps=(step,)), decoder)
    assert str(wrong.fault(1.0)).startswith("step 0: the likeliest id must be")


def test_what_the_tolerance_could_turn_is_left_open(
    moderation: tuple[CompiledModel, ModerationSettings], fixtures: dict[Task, Path]
) -> None:
    compiled, settings = moderation
    encoder = OrtEncoder(ort_files(compiled), settings.pad_id)
    golden = make_golden(compiled, settings, fixtures["moderation"])
    assert isinstance(golden, EncoderGolden)
    row = golden.batches[0].rows[0]
    at_threshold = {
        label: float(1 / (1 + np.exp(-np.float64(logit))))
        for label, logit in zip(settings.labels, encoder.logits([row])[0], strict=True)
    }
    near = dataclasses.replace(settings, thresholds=at_threshold)
    again = make_golden(compiled, near, fixtures["moderation"])
    assert isinstance(again, EncoderGolden)
    decided = {
        tuple(ids): decisions
        for batch in again.batches
        for ids, decisions in zip(batch.rows, batch.decisions, strict=True)
    }
    assert set(decided.get(tuple(row), [None])) == {None}
    assert {one for decisions in decided.values() for one in decisions} != {None}


def test_the_file_is_what_the_extension_reads(
    encoder_golden: EncoderGolden, decoder_golden: DecoderGolden
) -> None:
    value = json.loads(golden_text(encoder_golden))
    assert (value["format"], value["kind"]) == (1, "encoder")
    assert value["tolerance"] == INT8_ENCODER_TOLERANCE
    for batch in value["batches"]:
        assert len(batch["rows"]) == len(batch["logits"]) == len(batch["decisions"])
        assert all(len(row) == len(LABELS) for row in batch["logits"])
    value = json.loads(golden_text(decoder_golden))
    assert (value["kind"], len(value["steps"])) == ("decoder", decoder_golden.cases)
    for step in value["steps"]:
        assert len(step["at"]) == len(set(step["at"])) == len(step["logits"])
        likeliest = step["at"][step["logits"].index(max(step["logits"]))]
        assert step["top"] in (None, likeliest)
    assert value["spread"] > 0


def test_digits_in_which_processors_differ_are_not_written(
    encoder_golden: EncoderGolden, decoder_golden: DecoderGolden
) -> None:
    for golden in (encoder_golden, decoder_golden):
        value = json.loads(golden_text(golden))
        assert value["spread"] == golden.spread == float(f"{golden.spread:.3g}")
        step = golden.tolerance * golden.spread / 1000
        cases = value.get("batches") or value["steps"]
        for written in np.concatenate([np.ravel(case["logits"]) for case in cases]):
            digits = f"{written}".partition(".")[2]
            assert 10.0 ** -len(digits) >= step
    for taken in decoder_golden.steps:
        assert list(taken.at) == sorted(taken.at)


def test_the_tolerance_is_that_of_the_coarsest_weights() -> None:
    assert tolerance_for({"ai.onnx::MatMul": 1}, "encoder") == FLOAT_TOLERANCE
    int8 = {"com.microsoft::MatMulIntegerToFloat": 1}
    assert tolerance_for(int8, "encoder") == INT8_ENCODER_TOLERANCE
    assert tolerance_for(int8, "decoder") == INT8_DECODER_TOLERANCE
    both = {"com.microsoft::MatMulIntegerToFloat": 1, "com.microsoft::MatMulNBits": 1}
    assert tolerance_for(both, "decoder") == BLOCK_TOLERANCE


def test_fixtures_without_a_readable_text_are_refused(
    moderation: tuple[CompiledModel, ModerationSettings], tmp_path: Path
) -> None:
    file = tmp_path / "eval.jsonl"
    file.write_text('{"text": "12345", "labels": {}}\n')
    with pytest.raises(DataError, match="holds no text that the model reads"):
        make_golden(*moderation, file)


@pytest.mark.parametrize("text", ["A", "The train was late again today."])
def test_the_shortest_fixtures_give_steps(
    completion: tuple[CompiledModel, CompletionSettings], tmp_path: Path, text: str
) -> None:
    file = tmp_path / "eval.jsonl"
    file.write_text(json.dumps({"text": text}) + "\n")
    golden = make_golden(*completion, file)
    assert isinstance(golden, DecoderGolden)
    assert all(step.ids for step in golden.steps)
    found = compare_decoder(golden, OrtDecoder(ort_files(completion[0]), completion[1]))
    assert found.fault(1e-6) is None
