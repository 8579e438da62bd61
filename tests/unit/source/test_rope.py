"""Rotary frequencies of real config.json files, against the formulas of their papers."""

import math

import pytest

from extbuild.errors import SourceError
from extbuild.source.config_json import ModelConfig
from extbuild.source.rope import read_rotary
from tests.unit.source.reference_decoders import rotary

LLAMA_3_2 = {
    "max_position_embeddings": 131072,
    "rope_theta": 500000.0,
    "rope_scaling": {
        "factor": 32.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
}
QWEN_YARN = {
    "max_position_embeddings": 32768,
    "rope_theta": 1000000.0,
    "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"},
}
PLAIN = {"rope_theta": 10000.0, "max_position_embeddings": 2048}


def read(values: dict, head_dim: int = 64) -> tuple[list[float], float]:
    shape = read_rotary(ModelConfig("config.json", values), head_dim)
    return list(shape.frequencies), shape.multiplier


@pytest.mark.parametrize(
    "values",
    [
        PLAIN,
        {**PLAIN, "rope_theta": 100000.0},
        {**PLAIN, "rope_scaling": {"type": "linear", "factor": 4}},
        {**PLAIN, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}},
        {**PLAIN, "partial_rotary_factor": 0.25},
        LLAMA_3_2,
        QWEN_YARN,
        {**QWEN_YARN, "rope_scaling": {**QWEN_YARN["rope_scaling"], "attention_factor": 0.9}},
    ],
    ids=str,
)
@pytest.mark.parametrize("head_dim", [64, 128])
def test_both_forms_of_config_json_give_the_frequencies(values: dict, head_dim: int) -> None:
    frequencies, multiplier = rotary(values, head_dim)
    found, factor = read(values, head_dim)
    assert found == pytest.approx(frequencies, rel=1e-12)
    assert factor == pytest.approx(multiplier)
    moved = {"rope_theta", "rope_scaling", "partial_rotary_factor"}
    block = {key: values[key] for key in moved - {"rope_scaling"} if key in values}
    newer = {key: value for key, value in values.items() if key not in moved}
    newer["rope_parameters"] = {**block, **values.get("rope_scaling", {"rope_type": "default"})}
    assert read(newer, head_dim) == (found, factor)


def test_yarn_blends_between_its_bounds_and_sharpens() -> None:
    found, factor = read(QWEN_YARN, 128)
    plain = [1e6 ** (-2 * pair / 128) for pair in range(64)]
    ratios = [slow / fast for slow, fast in zip(found, plain, strict=True)]
    assert ratios[0] == pytest.approx(1)
    assert ratios[-1] == pytest.approx(1 / 4)
    assert any(0.3 < ratio < 0.9 for ratio in ratios)
    assert factor == pytest.approx(0.1 * math.log(4) + 1)


def test_yarn_without_rounded_bounds_and_with_two_weights() -> None:
    block = {**QWEN_YARN["rope_scaling"], "truncate": False, "mscale": 1.0, "mscale_all_dim": 0.5}
    found, factor = read({**QWEN_YARN, "rope_scaling": block}, 128)
    assert factor == pytest.approx((0.1 * math.log(4) + 1) / (0.05 * math.log(4) + 1))
    low, high = (
        128 * math.log(32768 / (turns * 2 * math.pi)) / (2 * math.log(1e6)) for turns in (32, 1)
    )
    pair = round((low + high) / 2)
    ramp = (pair - low) / (high - low)
    assert found[pair] == pytest.approx(1e6 ** (-2 * pair / 128) * (1 - ramp + ramp / 4), rel=1e-12)


LINEAR = {"type": "linear", "factor": 2.0}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"rope_scaling": {"type": "longrope"}}, r"rope_type: must be one of .*got \"longrope\""),
        ({"rope_scaling": {"type": "linear"}}, "factor: must be a positive number, got nothing"),
        (
            {"rope_scaling": {"type": "llama3", "factor": 8.0}},
            "low_freq_factor: must be a positive",
        ),
        (
            {"rope_scaling": {**LLAMA_3_2["rope_scaling"], "high_freq_factor": 1.0}},
            r"high_freq_factor: must be more than low_freq_factor 1\.0",
        ),
        ({"rope_scaling": LINEAR, "rope_parameters": {}}, "rope_scaling: must agree with"),
        (
            {"rope_parameters": {"full_attention": {"rope_type": "default"}}},
            "full_attention: must be a value: all layers turn alike",
        ),
        (
            {"partial_rotary_factor": 0.3},
            "partial_rotary_factor: must turn an even number of the 64",
        ),
        ({"rope_theta": 1}, "rope_theta: must be more than 1"),
        (
            {
                "rope_scaling": {
                    "type": "dynamic",
                    "factor": 2.0,
                    "original_max_position_embeddings": 512,
                }
            },
            "original_max_position_embeddings: must be max_position_embeddings 2048",
        ),
    ],
)
def test_positions_that_have_no_form_here_are_told(values: dict, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        read({**PLAIN, **values})


def test_heads_of_odd_width_are_told() -> None:
    with pytest.raises(SourceError, match="head_dim: must be even for rotary positions, got 7"):
        read(PLAIN, 7)
