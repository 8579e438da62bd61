"""Elementary functions against Python's own, in double precision."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from extbuild.compile.layouts import Array
from extbuild.compile.program import Activation
from tests.unit.engine.kernels import VARIANTS, kernels

EXP, ERF = 16, 17


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def gelu_tanh(x: float) -> float:
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def spread(most: float) -> Array:
    """Values of both signs of every size up to `most`; the count is a multiple of four."""
    sizes = np.concatenate([np.geomspace(1e-30, most, 4000), np.linspace(0, most, 12000)])
    return np.concatenate([-sizes, sizes]).astype(np.float32)


def errors(variant: str, function: int, x: Array, exact: Callable[[float], float]) -> Array:
    wanted = np.asarray([exact(float(value)) for value in x])
    found = kernels(variant).function(x, function).astype(np.float64)
    return np.stack([np.abs(found - wanted), wanted])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("function", "most", "exact", "bound"),
    [
        (EXP, 87.3, math.exp, 2e-7),
        (ERF, 12.0, math.erf, 4e-7),
        (Activation.TANH, 60.0, math.tanh, 3e-7),
        (Activation.SIGMOID, 87.0, sigmoid, 3e-7),
        (Activation.SILU, 87.0, lambda x: x * sigmoid(x), 4e-7),
    ],
)
def test_a_function_is_within_its_relative_error(
    variant: str, function: int, most: float, exact: Callable[[float], float], bound: float
) -> None:
    error, wanted = errors(variant, function, spread(most), exact)
    assert (error <= np.abs(wanted) * bound + 1e-45).all(), float(
        np.max(error / np.maximum(np.abs(wanted), 1e-45))
    )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (Activation.GELU_ERF, lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2)))),
        (Activation.GELU_TANH, gelu_tanh),
        (Activation.RELU, lambda x: max(x, 0.0)),
    ],
)
def test_an_activation_is_within_the_rounding_of_its_argument(
    variant: str, function: int, exact: Callable[[float], float]
) -> None:
    x = spread(20.0)
    error, _ = errors(variant, function, x, exact)
    assert (error <= np.abs(x) * 4e-7).all(), float(np.max(error / np.maximum(np.abs(x), 1e-30)))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("function", [*list(Activation)[1:], EXP, ERF])
def test_nan_stays_nan(variant: str, function: int) -> None:
    x = np.asarray([np.nan, -np.nan, 0.5, 1.0], np.float32)
    found = kernels(variant).function(x, function)
    assert np.isnan(found[:2]).all()
    assert np.isfinite(found[2:]).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("function", "x", "wanted"),
    [
        (
            EXP,
            [-np.inf, -1e30, -104.0, 0.0, 89.0, 1e30, np.inf, -0.0],
            [0, 0, 0, 1, *[np.inf] * 3, 1],
        ),
        (ERF, [-np.inf, -1e30, np.inf, 1e30], [-1, -1, 1, 1]),
        (Activation.TANH, [-np.inf, -1e30, np.inf, 1e30, 0.0], [-1, -1, 1, 1, 0]),
        (Activation.SIGMOID, [-np.inf, -1e30, np.inf, 1e30, 0.0], [0, 0, 1, 1, 0.5]),
        (Activation.SILU, [-1e30, 1e30, 0.0], [0, 1e30, 0]),
        (Activation.GELU_ERF, [-1e30, 1e30, 0.0], [0, 1e30, 0]),
        (Activation.GELU_TANH, [-1e30, 1e30, 0.0], [0, 1e30, 0]),
    ],
)
def test_far_values_reach_the_limits(
    variant: str, function: int, x: list[float], wanted: list[float]
) -> None:
    found = kernels(variant).function(np.asarray(x, np.float32), function)
    np.testing.assert_array_equal(found, np.asarray(wanted, np.float32))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("count", [1, 2, 3, 5, 7])
def test_the_last_values_are_activated_alone(variant: str, count: int) -> None:
    x = np.linspace(-2, 2, 8).astype(np.float32)
    whole = kernels(variant).function(x, Activation.SILU)
    np.testing.assert_array_equal(
        kernels(variant).function(x[:count], Activation.SILU), whole[:count]
    )
