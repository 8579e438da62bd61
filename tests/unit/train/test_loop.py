from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from extbuild.train.average import WeightAverage
from extbuild.train.grid import BlockGrid
from extbuild.train.loop import Pace, Trainee, fit
from extbuild.train.run_log import RunLog
from extbuild.train.schedule import RunState, Schedule

WIDTH = 32


def trainee(*, is_rounded: bool = True) -> Trainee:
    torch.manual_seed(7)
    network = nn.Linear(WIDTH, WIDTH)
    return Trainee(
        network,
        [torch.optim.AdamW(network.parameters(), lr=0.05)],
        WeightAverage(network, 0.9),
        BlockGrid({"weight": network.weight}, 32) if is_rounded else None,
        torch.device("cpu"),
    )


def batches(position: int) -> Iterator[tuple[int, Tensor]]:
    while True:
        yield position + 1, torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(position))
        position += 1


def run(
    who: Trainee, folder: Path, steps: int, *, until: int | None = None, snapshots: int = 0
) -> tuple[RunState, list[int]]:
    """Trains to learn the identity; ``until`` interrupts the run after that many steps."""
    taken: list[int] = []

    def loss(batch: Tensor) -> Tensor:
        if len(taken) == until:
            raise KeyboardInterrupt
        taken.append(1)
        output: Tensor = who.network(batch)
        return (output.float() - batch).square().mean()

    pace = Pace(Schedule(60.0, steps), checkpoint_s=0.0, snapshot_s=0.0 if snapshots else 1e9)
    with RunLog("test", folder / "log.jsonl") as log:
        state = fit(
            who,
            loss,
            batches,
            lambda batch: batch.numel(),
            pace,
            folder / "checkpoint.pt",
            log,
            lambda: taken.append(0),
        )
    return state, taken


def weights(who: Trainee) -> list[Tensor]:
    with who.as_shipped():
        return [p.detach().clone() for p in who.network.parameters()]


def test_the_loss_falls(tmp_path: Path) -> None:
    who = trainee()
    probe = torch.eye(WIDTH)
    before = (who.network(probe) - probe).square().mean().item()
    state, _ = run(who, tmp_path, 60)
    assert state.step == state.position == 60
    with who.as_shipped():
        assert (who.network(probe) - probe).square().mean().item() < before / 2


def test_an_interrupted_run_goes_on_exactly(tmp_path: Path) -> None:
    whole, parts = trainee(), trainee()
    run(whole, tmp_path / "whole", 12)
    with pytest.raises(KeyboardInterrupt):
        run(parts, tmp_path / "parts", 12, until=5)
    resumed = trainee()
    state, taken = run(resumed, tmp_path / "parts", 12)
    assert (state.step, len(taken)) == (12, 7)
    for mine, theirs in zip(weights(whole), weights(resumed), strict=True):
        assert torch.equal(mine, theirs)


def test_a_finished_run_does_nothing_more(tmp_path: Path) -> None:
    who = trainee()
    run(who, tmp_path, 3)
    before = weights(who)
    _, taken = run(who, tmp_path, 3)
    assert taken == []
    assert all(torch.equal(mine, old) for mine, old in zip(weights(who), before, strict=True))


def test_a_snapshot_sees_what_would_ship_and_leaves_the_run_alone(tmp_path: Path) -> None:
    plain, watched = trainee(), trainee()
    run(plain, tmp_path / "plain", 6)
    _, taken = run(watched, tmp_path / "watched", 6, snapshots=1)
    assert taken.count(0) == 6
    for mine, theirs in zip(weights(plain), weights(watched), strict=True):
        assert torch.equal(mine, theirs)


def test_without_a_grid_weights_are_not_rounded(tmp_path: Path) -> None:
    who = trainee(is_rounded=False)
    run(who, tmp_path, 3)
    assert len(who.keepers) == 1
    with who.rounded():
        assert who.network.weight.unique().numel() > 16 * WIDTH
