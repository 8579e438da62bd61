"""From files to figures: fixtures for the gate, data for ``inv eval``, and faults in both."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from extbuild.artifacts import CompiledModel, QualityMetric, Task
from extbuild.compile.ort import compile_for_ort
from extbuild.compile.run import ort_files
from extbuild.compress.run import compress
from extbuild.config.recipe import (
    Budget,
    CompletionPolicy,
    DynamicInt8,
    Gate,
    ModerationPolicy,
    TieEmbeddings,
)
from extbuild.config.runtime import (
    CompletionRuntime,
    FileEntry,
    ModelFiles,
    ModerationRuntime,
)
from extbuild.errors import ConfigError, DataError, QualityError
from extbuild.evaluate.gate import judge, require_possible, require_quality
from extbuild.evaluate.rows import evenly, read_rows
from extbuild.evaluate.run import evaluate_file, measure
from extbuild.evaluate.settings import (
    Settings,
    completion_settings,
    moderation_settings,
    settings_from_runtime,
)
from extbuild.source.load import load_source
from extbuild.source.synthetic import (
    LABELS,
    write_tiny_completion,
    write_tiny_fixtures,
    write_tiny_moderation,
)

MODERATION = ModerationPolicy(thresholds=dict.fromkeys(LABELS, 0.5), max_tokens=32)
COMPLETION = CompletionPolicy(min_confidence=0.0, context_tokens=32, max_new_tokens=4, max_words=2)


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[Task, tuple[CompiledModel, CompiledModel, Settings]]:
    """Each tiny model before and after int8, with its settings."""
    directory = tmp_path_factory.mktemp("models")
    write_tiny_moderation(directory / "moderation")
    write_tiny_completion(directory / "completion")
    models = {}
    int8 = DynamicInt8(name="dynamic_int8")
    for task, passes in (
        ("moderation", (int8,)),
        ("completion", (TieEmbeddings(name="tie_embeddings"), int8)),
    ):
        source = load_source(directory / task, task, task)
        settings = (
            moderation_settings(source.config, source.tokenizer_json, MODERATION)
            if task == "moderation"
            else completion_settings(source.config, source.tokenizer_json, COMPLETION)
        )
        before, after = (compile_for_ort(compress(source, chosen)) for chosen in ((), passes))
        models[task] = (before, after, settings)
    return models


@pytest.mark.parametrize("task", ["moderation", "completion"])
def test_a_model_measured_against_itself_is_no_worse(
    built: dict, task: Task, tmp_path: Path
) -> None:
    before, _, settings = built[task]
    write_tiny_fixtures(tmp_path / "eval.jsonl", task)
    one, two = measure(before, before, settings, tmp_path / "eval.jsonl")
    assert one == two
    assert one["agreement" if task == "moderation" else "top1_agreement"] == 1.0


def test_the_gate_has_its_metrics(built: dict, tmp_path: Path) -> None:
    for task, expected in (
        ("moderation", ["auc_mean", *(f"auc_{label}" for label in LABELS), "agreement"]),
        ("completion", ["bits_per_byte", "top1_agreement"]),
    ):
        before, after, settings = built[task]
        write_tiny_fixtures(tmp_path / "eval.jsonl", task)
        figures = measure(before, after, settings, tmp_path / "eval.jsonl")
        assert [list(figure) for figure in figures] == [expected, expected]


def test_moderation_results_keep_the_order_of_the_rows(built: dict, tmp_path: Path) -> None:
    _, after, settings = built["moderation"]
    data = tmp_path / "data.jsonl"
    rows = [
        {"text": "You are a clown", "labels": {"toxic": 1, "threat": None}},
        {"text": "12345", "labels": {"toxic": 0}},
        {"text": "Thank you for the beans and peas, they were good", "labels": {"toxic": 0}},
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = evaluate_file("tiny", after, settings, data)
    assert json.loads(json.dumps(result)) == result
    scored = result["rows"]
    assert [row["abstained"] for row in scored] == [False, True, False]
    assert scored[1]["scores"] == dict.fromkeys(LABELS, 0.0)
    alone = tmp_path / "alone.jsonl"
    alone.write_text(json.dumps(rows[2]) + "\n")
    again = evaluate_file("tiny", after, settings, alone)["rows"]
    assert again[0]["scores"] == pytest.approx(scored[2]["scores"], abs=1e-5)
    assert result["auc"]["threat"] is None
    assert result["false_positive_rate"]["n"] == 2


def test_completion_results_have_figures_for_each_row(built: dict, tmp_path: Path) -> None:
    _, after, settings = built["completion"]
    data = tmp_path / "data.jsonl"
    data.write_text('{"text": "We planted beans, peas and onions."}\n{"text": ""}\n')
    steps: list[tuple[int, int]] = []
    result = evaluate_file(
        "tiny", after, settings, data, progress=lambda done, of: steps.append((done, of))
    )
    assert json.loads(json.dumps(result)) == result
    assert steps == [(1, 2), (2, 2)]
    first, second = result["rows"]
    assert first["bits_per_byte"] == pytest.approx(result["bits_per_byte"])
    assert set(first) == {"bits_per_byte", "keystrokes_saved", "shown_precision", "shown_rate"}
    assert set(second.values()) == {None}


def test_rows_judged_side_by_side_get_the_figures_they_get_alone(
    built: dict, tmp_path: Path
) -> None:
    _, after, settings = built["completion"]
    data = tmp_path / "data.jsonl"
    texts = [f"We planted {count} beans, peas and onions." for count in range(20)]
    data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    together = evaluate_file("tiny", after, settings, data, processes=2)
    assert together == evaluate_file("tiny", after, settings, data, processes=1)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "holds no rows"),
        ('{"text": "a", "labels": {}}\n{"text"\n', "line 2: is not JSON"),
        ("[1]\n", "line 1: must be a JSON object, got list"),
        ('\n{"labels": {}}\n', 'line 2: "text": must be a string, got nothing'),
        ('{"text": "a"}\n', 'line 1: "labels": must be an object of 0, 1 or null, got nothing'),
        ('{"text": "a", "labels": {"toxic": 0.5}}\n', '"toxic": must be 0, 1 or null, got 0.5'),
        ('{"text": "a", "labels": {"toxic": "1"}}\n', '"toxic": must be 0, 1 or null, got "1"'),
    ],
)
def test_a_malformed_row_is_told_with_its_line(tmp_path: Path, content: str, told: str) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(content)
    with pytest.raises(DataError) as caught:
        read_rows(data, labelled=True)
    assert told in str(caught.value)
    assert str(data) in str(caught.value)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_bytes(b'{"text": "\xff"}\n')
    with pytest.raises(DataError, match="line 1: must be UTF-8"):
        read_rows(data, labelled=False)


def test_labels_of_another_model_are_told(built: dict, tmp_path: Path) -> None:
    _, after, settings = built["moderation"]
    data = tmp_path / "data.jsonl"
    data.write_text('{"text": "a", "labels": {"spam": 1}}\n')
    with pytest.raises(DataError, match=r'"labels": must use the model.s labels toxic'):
        evaluate_file("tiny", after, settings, data)


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(3, 5, [0, 1, 2]), (10, 5, [0, 2, 4, 6, 8]), (0, 5, []), (7, 3, [0, 2, 4])],
)
def test_thinning_is_even_and_fixed(count: int, most: int, expected: list[int]) -> None:
    assert evenly(count, most) == expected


@pytest.mark.parametrize(
    ("after", "gate", "limit", "passed"),
    [
        (0.95, Gate(max_drop=0.01), 0.94, True),
        (0.94, Gate(max_drop=0.01), 0.94, True),
        (0.93, Gate(max_drop=0.01), 0.94, False),
        (0.96, Gate(max_rise=0.01), 0.96, True),
        (0.97, Gate(max_rise=0.01), 0.96, False),
        (float("nan"), Gate(max_rise=0.01), 0.96, False),
        (0.1, None, None, True),
        (float("nan"), None, None, False),
        (float("inf"), Gate(max_drop=0.01), 0.94, False),
    ],
)
def test_a_metric_is_judged_by_its_gate(
    after: float, gate: Gate | None, limit: float | None, passed: bool
) -> None:
    metric = judge({"m": 0.95}, {"m": after}, {} if gate is None else {"m": gate})["m"]
    assert metric.gate == (None if limit is None else pytest.approx(limit))
    assert metric.passed is passed


def test_a_gate_on_no_metric_is_a_mistake() -> None:
    with pytest.raises(
        ConfigError, match=r"gates\.auc_men: names a metric .*did you mean 'auc_mean'"
    ):
        judge({"auc_mean": 1.0}, {"auc_mean": 1.0}, {"auc_men": Gate(max_drop=0.1)})


def test_every_failed_metric_is_named_in_one_line() -> None:
    metrics = {
        "auc_mean": QualityMetric(0.95, 0.90, 0.94, False),
        "agreement": QualityMetric(1.0, 0.5, 0.9, False),
        "auc_toxic": QualityMetric(0.9, 0.1, None, True),
        "auc_threat": QualityMetric(0.9, float("nan"), None, False),
    }
    with pytest.raises(QualityError) as caught:
        require_quality("models/moderation/recipe.toml: gates", metrics)
    message = str(caught.value)
    assert "auc_mean 0.9000 after 0.9500 (gate 0.9400)" in message
    assert "agreement 0.5000 after 1.0000 (gate 0.9000)" in message
    assert "auc_toxic" not in message
    assert "auc_threat nan after 0.9000 (no gate)" in message
    assert "\n" not in message


def test_a_budget_that_no_pass_can_meet_is_told_at_once() -> None:
    require_possible("recipe.toml: budget", 1000, Budget(max_packed_bytes=500))
    with pytest.raises(QualityError, match=r"budget\.max_packed_bytes: must hold 1,000 weights"):
        require_possible("recipe.toml: budget", 1000, Budget(max_packed_bytes=499))


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (ModerationPolicy(thresholds={"toxic": 0.5}), "must have one threshold for each label"),
        (
            ModerationPolicy(thresholds=dict.fromkeys(LABELS, 0.5), max_tokens=128),
            "max_tokens: must be at most 64",
        ),
    ],
)
def test_a_policy_that_contradicts_the_model_is_told(
    tmp_path: Path, policy: ModerationPolicy, told: str
) -> None:
    write_tiny_moderation(tmp_path)
    source = load_source(tmp_path, "tiny", "moderation")
    with pytest.raises(ConfigError, match=told):
        moderation_settings(source.config, source.tokenizer_json, policy)


def test_settings_come_back_from_a_packed_description(built: dict) -> None:
    entry = FileEntry(file="f", bytes=1, sha256="00")
    files = ModelFiles(sha256="00", params=1, tokenizer=entry, golden=entry, engine=None, ort=None)
    for task, runtime in (("moderation", ModerationRuntime), ("completion", CompletionRuntime)):
        settings = built[task][2]
        packed = runtime(files=files, webgpu="never", **dataclasses.asdict(settings))
        assert settings_from_runtime(packed) == settings


@pytest.mark.parametrize("task", ["moderation", "completion"])
def test_logits_that_are_no_numbers_are_told(built: dict, tmp_path: Path, task: Task) -> None:
    """All weights are NaN, as after an overflow."""
    _, after, settings = built[task]
    files = ort_files(after)
    model = ir.from_proto(onnx.load_from_string(files.graph))
    spoiled = bytearray(files.weights)
    for value in model.graph.initializers.values():
        held = value.const_value
        if isinstance(held, ir.ExternalTensor) and held.dtype == ir.DataType.FLOAT:
            start, size = held.offset or 0, held.length or 0
            spoiled[start : start + size] = np.full(size // 4, np.nan, "<f4").tobytes()
    broken = dataclasses.replace(after, ort=dataclasses.replace(files, weights=bytes(spoiled)))
    write_tiny_fixtures(tmp_path / "eval.jsonl", task)
    with pytest.raises(QualityError, match=f"{task}: logits: must be finite numbers, got nan"):
        evaluate_file("tiny", broken, settings, tmp_path / "eval.jsonl", processes=1)
