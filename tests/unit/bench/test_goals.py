import pytest

from extbuild.bench.goals import engine_ratios
from extbuild.bench.random_models import MINILM_L6, SMOLLM2_135M
from extbuild.bench.rows import Ratio, Row, Unit

DECODER, ENCODER = SMOLLM2_135M.name, MINILM_L6.name


def _row(
    subject: str,
    metric: str,
    peer: str,
    median: float,
    *,
    browser: str | None = "chrome 1",
    threads: int | None = 1,
    unit: Unit = "tokens/s",
) -> Row:
    return Row(subject, peer, "shape", metric, unit, median, 3, threads, browser)


ROWS = [
    _row(DECODER, "decode", "engine int4", 100.0),
    _row(DECODER, "decode", "engine int4", 170.0, threads=2),
    _row(DECODER, "decode", "onnxruntime-web fp32", 20.0),
    _row(DECODER, "decode", "wllama Q4_0", 10.0),
    _row(DECODER, "decode", "scalar WASM int8", 90.0),
    _row(DECODER, "decode", "onnxruntime int4", 80.0, browser=None),
    _row(DECODER, "prefill", "engine int4", 300.0),
    _row(DECODER, "prefill", "onnxruntime-web int8", 100.0),
    _row(ENCODER, "encode", "engine int8", 60.0),
    _row(ENCODER, "encode", "onnxruntime-web int8", 15.0),
    _row(ENCODER, "encode", "onnxruntime-web fp32", 20.0),
    _row("moderation", "first verdict, cold start", "extension", 100.0, unit="ms"),
    _row(
        "moderation",
        "first verdict, cold start",
        "extension on onnxruntime-web",
        300.0,
        unit="ms",
    ),
    _row(DECODER, "peak memory", "engine int4", 112.0, unit="bytes"),
    _row(DECODER, "weights", "engine int4", 80.0, unit="bytes"),
    _row(DECODER, "arena and cache", "engine int4", 24.0, unit="bytes"),
]


@pytest.mark.parametrize(
    ("name", "value", "goal", "better"),
    [
        ("chrome: decode, engine / best peer in the browser", 5.0, 4.0, "higher"),
        ("chrome: decode, engine / native onnxruntime int4", 1.25, 1.0, "higher"),
        ("chrome: prefill of 64, engine / onnxruntime-web int8", 3.0, 2.0, "higher"),
        ("chrome: encoder, engine / best onnxruntime-web", 3.0, 2.0, "higher"),
        ("chrome: cold start, onnxruntime-web / engine", 3.0, 2.5, "higher"),
        ("chrome: peak memory less arena / weights", 1.1, 1.15, "lower"),
    ],
)
def test_each_goal_compares_what_its_name_says(
    name: str, value: float, goal: float, better: str
) -> None:
    (ratio,) = [ratio for ratio in engine_ratios(ROWS, ["chrome"]) if ratio.name == name]
    assert ratio.value == pytest.approx(value)
    assert (ratio.goal, ratio.better, ratio.passed) == (goal, better, True)


def test_what_was_not_measured_has_no_ratio() -> None:
    assert engine_ratios(ROWS, ["firefox"]) == ()
    assert engine_ratios([], ["chrome"]) == ()


def test_higher_is_better_or_lower_is() -> None:
    assert Ratio("a", 2.0, 1.9, "higher").passed is True
    assert Ratio("a", 2.0, 2.1, "higher").passed is False
    assert Ratio("a", 2.0, 2.1).passed is True
