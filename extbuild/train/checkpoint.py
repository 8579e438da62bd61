"""Checkpoints: everything a run needs to go on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from extbuild.train.schedule import RunState


class Keeper(Protocol):
    """A part of a run with a state of its own: average, rounding."""

    def state(self) -> dict[str, Tensor]:
        """What it needs to go on."""
        ...

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there."""
        ...


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    state: RunState,
    keepers: Sequence[Keeper] = (),
) -> None:
    """Write the checkpoint; the old one stays whole until the new one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "keepers": [keeper.state() for keeper in keepers],
        "random": torch.get_rng_state(),
        "state": (state.step, state.position, state.elapsed_s),
    }
    fresh = path.with_suffix(".tmp")
    torch.save(content, fresh)
    fresh.replace(path)


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    keepers: Sequence[Keeper] = (),
) -> RunState:
    """Restore a run in place and say where it stands; a fresh `RunState` when there is no file."""
    if not path.is_file():
        return RunState()
    content = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(content["model"])
    for optimizer, saved in zip(optimizers, content["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    for keeper, saved in zip(keepers, content["keepers"], strict=True):
        keeper.load(saved)
    torch.set_rng_state(content["random"])
    step, position, elapsed_s = content["state"]
    return RunState(step, position, elapsed_s)
