"""Checkpoints: everything a run needs to go on as if it had never stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class RunState:
    """Where a run stands: optimiser steps, place in the data stream, seconds of training spent."""

    step: int = 0
    position: int = 0
    elapsed_s: float = 0.0


def save_checkpoint(
    path: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], state: RunState
) -> None:
    """Write the checkpoint; the old one stays whole until the new one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "random": torch.get_rng_state(),
        "state": (state.step, state.position, state.elapsed_s),
    }
    fresh = path.with_suffix(".tmp")
    torch.save(content, fresh)
    fresh.replace(path)


def load_checkpoint(
    path: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer]
) -> RunState:
    """Restore a run in place and say where it stands; a fresh `RunState` when there is no file."""
    if not path.is_file():
        return RunState()
    content = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(content["model"])
    for optimizer, saved in zip(optimizers, content["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    torch.set_rng_state(content["random"])
    step, position, elapsed_s = content["state"]
    return RunState(step, position, elapsed_s)
