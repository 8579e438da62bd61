"""Recognising functions of a row by their values: activations, norms, the quantisation of int8.

Exporters write one function in many ways: GELU as five nodes or as one, a norm as six. What they
have in common is what they compute, so a chain of nodes is followed by computing it in float64 at
sample rows, and compared with each function that the engine has. Constants of the graph are exact
in float64, and so is an epsilon that is solved for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from extbuild.compile.lower.values import Float64
from extbuild.compile.program import Activation, Norm

ROW_SIZES = (1e-25, 1e-7, 1e-3, 0.3, 1.0, 4.0, 30.0)
"""Magnitudes of the sample rows: tiny ones show an epsilon, large ones where a function ends."""
TOLERANCE = 1e-5
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class FoundNorm:
    """A norm without weights."""

    norm: Norm
    eps: float


@cache
def sample_rows(width: int) -> Float64:
    """Rows of normal numbers ``(len(ROW_SIZES), width)``; the same ones for one width."""
    rng = np.random.default_rng(20)
    rows = rng.standard_normal((len(ROW_SIZES), width)) * np.asarray(ROW_SIZES)[:, None]
    # Exact in float32, so that casts in the graph change nothing.
    exact: Float64 = rows.astype(np.float32).astype(np.float64)
    exact.flags.writeable = False
    return exact


def erf(x: Float64) -> Float64:
    """Error function, to 1.2e-7 (Numerical Recipes, 6.2.2, the Chebyshev fit of erfc)."""
    size = np.abs(x)
    t = 1 / (1 + size / 2)
    terms = (
        0.17087277,
        -0.82215223,
        1.48851587,
        -1.13520398,
        0.27886807,
        -0.18628806,
        0.09678418,
        0.37409196,
        1.00002368,
        -1.26551223,
    )
    total = np.zeros_like(t)
    for term in terms:
        total = total * t + term
    upper = t * np.exp(-size * size + total)
    result: Float64 = np.where(x >= 0, 1 - upper, upper - 1)
    return result


def sigmoid(x: Float64) -> Float64:
    """1 / (1 + exp(-x)), without overflow."""
    half: Float64 = 0.5 * (1 + np.tanh(0.5 * x))
    return half


def gelu_erf(x: Float64) -> Float64:
    """Hendrycks & Gimpel 2016, exact form."""
    result: Float64 = 0.5 * x * (1 + erf(x / np.sqrt(2)))
    return result


def gelu_tanh(x: Float64) -> Float64:
    """Hendrycks & Gimpel 2016, tanh form."""
    result: Float64 = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return result


ACTIVATIONS: Mapping[Activation, Callable[[Float64], Float64]] = {
    Activation.GELU_ERF: gelu_erf,
    Activation.GELU_TANH: gelu_tanh,
    Activation.SILU: lambda x: x * sigmoid(x),
    Activation.RELU: lambda x: np.maximum(x, 0),
    Activation.TANH: np.tanh,
    Activation.SIGMOID: sigmoid,
}


def find_scale(samples: Float64) -> float | None:
    """c, if the function is c times its argument."""
    rows = sample_rows(samples.shape[1])
    with np.errstate(all="ignore"):
        found = float(samples[-1, 0] / rows[-1, 0])
    return found if np.isfinite(found) and _same(samples, found * rows) else None


def find_activation(samples: Float64) -> Activation | None:
    """The activation of the engine that has these values."""
    rows = sample_rows(samples.shape[1])
    for activation, function in ACTIVATIONS.items():
        if _same(samples, function(rows)):
            return activation
    return None


def find_norm(samples: Float64) -> FoundNorm | None:
    """The norm of the engine that has these values, with its epsilon."""
    width = samples.shape[1]
    if width < 2:
        return None
    rows = sample_rows(width)
    centred = rows - rows.mean(axis=1, keepdims=True)
    for norm, base in ((Norm.RMS, rows), (Norm.LAYER, centred)):
        power = (base**2).mean(axis=1, keepdims=True)
        with np.errstate(all="ignore"):
            # At the smallest row only epsilon is left below the root.
            eps = float((base[0, 0] / samples[0, 0]) ** 2 - power[0, 0])
            expected = base / np.sqrt(power + eps)
        if np.isfinite(eps) and eps > 1e-30 and _same(samples, expected):
            return FoundNorm(norm, eps)
    length = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    with np.errstate(all="ignore"):
        least = float(rows[0, 0] / samples[0, 0])
    eps = least if least > 1.001 * length[0, 0] else SMALLEST_NORMAL
    if np.isfinite(eps) and _same(samples, rows / np.maximum(length, eps)):
        return FoundNorm(Norm.L2, eps)
    return None


def is_peak_of(samples: Float64, width: int) -> bool:
    """Whether a statistic of rows of ``width`` is their largest magnitude."""
    expected = np.abs(sample_rows(width)).max(axis=1, keepdims=True)
    return samples.shape == expected.shape and _same(samples, expected)


def is_unit_int8(samples: Float64) -> bool:
    """Whether the values are rows divided by their peak, times 127, rounded, plus 128."""
    rows = sample_rows(samples.shape[1])
    expected = np.rint(rows / np.abs(rows).max(axis=1, keepdims=True) * 127) + 128
    # A value half way between two steps may fall to either side.
    off = np.abs(samples - expected)
    return bool(off.max() <= 1 and (off > 0).mean() <= 0.01)


def _same(found: Float64, expected: Float64) -> bool:
    if found.shape != expected.shape or not np.isfinite(found).all():
        return False
    # Where a function cancels, what counts is the size of its argument.
    floor = 0.1 * TOLERANCE * np.minimum(np.asarray(ROW_SIZES), 1)[:, None]
    allowed = TOLERANCE * np.abs(expected) + floor
    return bool((np.abs(found - expected) <= allowed).all())
