import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from extbuild.compress.kernels import quantize_blocks, unpack_blocks
from extbuild.train.grid import BlockGrid, best_shrinks, on_grid


def matrix(rows: int, cols: int, seed: int) -> nn.Parameter:
    generator = torch.Generator().manual_seed(seed)
    return nn.Parameter(torch.randn(rows, cols, generator=generator))


@given(st.integers(1, 6), st.integers(1, 3), st.sampled_from([32, 64]), st.integers(0, 99))
def test_weights_are_rounded_as_the_pass_rounds_them(
    rows: int, blocks: int, block: int, seed: int
) -> None:
    weight = matrix(rows, blocks * block, seed)
    stored = quantize_blocks(weight.detach().numpy().T.copy(), block)
    values = weight.detach().view(rows, blocks, block)
    ours = on_grid(values, best_shrinks(values)).view(rows, -1).numpy()
    theirs = unpack_blocks(stored).T
    # The pass may choose zero points, which lose less; without them it must be the same rounding.
    if stored.zero_points is None:
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    else:
        assert (
            np.square(theirs - weight.detach().numpy()).sum()
            <= np.square(ours - weight.detach().numpy()).sum()
        )


def test_what_is_on_the_grid_stays_there() -> None:
    values = matrix(4, 64, 1).detach().view(4, 1, 64)
    once = on_grid(values, best_shrinks(values))
    torch.testing.assert_close(on_grid(once, best_shrinks(once)), once)


def test_zeros_stay_zeros() -> None:
    values = torch.zeros(2, 2, 32)
    assert on_grid(values, best_shrinks(values)).abs().max() == 0


def test_a_step_is_taken_at_the_rounded_weights_and_changes_the_exact_ones() -> None:
    weight = matrix(3, 32, 2)
    before = weight.detach().clone()
    grid = BlockGrid({"w": weight}, 32)
    with grid.rounded():
        rounded = weight.detach().clone()
        loss = (weight**2).sum()
        torch.autograd.backward(loss)
    assert not torch.equal(rounded, before)
    torch.testing.assert_close(weight.detach(), before, rtol=0, atol=0)
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, 2 * rounded)


def test_the_exact_weights_come_back_after_an_error() -> None:
    weight = matrix(3, 32, 3)
    before = weight.detach().clone()
    grid = BlockGrid({"w": weight}, 32)
    with pytest.raises(RuntimeError, match="stop"), grid.rounded():
        raise RuntimeError("stop")
    torch.testing.assert_close(weight.detach(), before, rtol=0, atol=0)


def test_a_grid_goes_on_from_its_state() -> None:
    weight = matrix(3, 64, 4)
    grid, other = BlockGrid({"w": weight}, 32), BlockGrid({"w": weight}, 32)
    grid.refresh()
    with torch.no_grad():
        weight.mul_(torch.linspace(0.5, 1.5, 64))
    other.load(grid.state())
    seen = []
    for each in (grid, other):
        with each.rounded():
            seen.append(weight.detach().clone())
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=0)


def test_a_block_that_does_not_divide_is_an_error() -> None:
    with pytest.raises(ValueError, match="blocks of 64 do not divide"):
        BlockGrid({"w": matrix(2, 96, 5)}, 64)
