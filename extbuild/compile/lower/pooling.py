"""From rows of tokens to rows of texts or of wanted outputs."""

from dataclasses import replace

import numpy as np

from extbuild.compile.lower.axes import shape_of
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.state import Run
from extbuild.compile.lower.values import (
    Array,
    Axes,
    Axis,
    Factor,
    Known,
    TokenSum,
    View,
    Weighted,
)
from extbuild.compile.program import Op, Pool, Rows


def first_token(run: Run, view: View, place: int) -> View:
    """POOL FIRST; the axis of tokens keeps length 1."""
    return _pooled(run, view, Pool.FIRST, replaced(view.axes, place, ()))


def wanted_tokens(run: Run, view: View, place: int) -> View:
    """POOL GATHER: the rows whose logits are wanted."""
    if tuple(one.kind for one in view.axes[place]) != ("seq",):
        raise RefusalError("gathers wanted positions along another axis than the tokens")
    wanted = Factor("wanted", tuple(len(probe.wanted) for probe in run.probes))
    return _pooled(run, view, Pool.GATHER, replaced(view.axes, place, (wanted,)))


def mean_of_tokens(run: Run, view: View, axes: Axes) -> View:
    """POOL MEAN."""
    return _pooled(run, view, Pool.MEAN, axes)


def sum_of_tokens(run: Run, weighted: Weighted, place: int, keep: bool) -> TokenSum:
    """The sum over tokens of a matrix times the mask."""
    if len(weighted.pieces) != 1:
        raise RefusalError("sums pieces of a matrix")
    view = weighted.pieces[0]
    if tuple(one.kind for one in view.axes[place]) != ("seq",) or len(view.axes) != 3:
        raise RefusalError("sums along another axis than the tokens")
    for probe, array in zip(run.probes, weighted.factor.arrays, strict=True):
        mask = probe.real[:, :, None] if place == 1 else probe.real.T[:, :, None]
        if not _broadcasts_to(array, mask, shape_of(view.axes, run.probes.index(probe))):
            raise RefusalError("weighs tokens by something else than the attention mask")
    axes = replaced(view.axes, place, ())
    return TokenSum(view, axes if keep else (*axes[:place], *axes[place + 1 :]))


def divided_sum(run: Run, total: TokenSum, count: Known) -> View:
    """The sum over tokens divided by their number: their mean."""
    for index, probe in enumerate(run.probes):
        lengths = np.asarray(probe.lengths, np.float64)
        lengths = lengths.reshape([len(lengths)] + [1] * (len(total.axes) - 1))
        if not _broadcasts_to(count.arrays[index], lengths, shape_of(total.axes, index)):
            raise RefusalError("divides a sum of tokens by something else than their number")
    return mean_of_tokens(run, total.view, total.axes)


def replaced(axes: Axes, place: int, axis: Axis) -> Axes:
    """Axes with one of them exchanged."""
    return (*axes[:place], axis, *axes[place + 1 :])


def _pooled(run: Run, view: View, pool: Pool, axes: Axes) -> View:
    if run.rows_of(view.axes) is not Rows.TOKENS:
        raise RefusalError("pools something else than rows of tokens")
    view = run.compact(view)
    region = run.region(view)
    rows = Rows.OUTPUTS if pool is Pool.GATHER else Rows.SEQUENCES
    made = run.emit(Op.POOL, rows, region.width, a=region, p=(int(pool), region.width))
    return replace(view, value=made, axes=axes, offset=0)


def _broadcasts_to(found: Array, expected: Array, shape: tuple[int, ...]) -> bool:
    """Whether both are the same array once they have the full shape."""
    try:
        whole = np.broadcast_to(found, shape)
        return bool(np.allclose(whole, np.broadcast_to(expected, shape), rtol=1e-5, atol=1e-6))
    except ValueError:
        return False
