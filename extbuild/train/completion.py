"""Training of the completion model: packed windows, Muon for matrices, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from extbuild.errors import DataError
from extbuild.train.average import WeightAverage
from extbuild.train.completion_data import CompletionData, load_completion_data
from extbuild.train.completion_export import export_completion, held_out_bits_per_byte
from extbuild.train.grid import BlockGrid
from extbuild.train.initial import load_weights, read_weights
from extbuild.train.loop import Pace, Trainee, fit
from extbuild.train.manifest import write_figures
from extbuild.train.models.llama import LlamaForText, LlamaShape
from extbuild.train.pack import batches_from, window_count, windows
from extbuild.train.run_log import RunLog

SNAPSHOT_WINDOWS = 200
"""Test windows behind the figure of a snapshot."""

Optimizers = list[torch.optim.Optimizer]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class CompletionSettings:
    """Everything that decides a run. Learning rates are peaks, times ``rate_scale``.

    ``init`` names a model directory to begin with, and ``first_batch`` the first batch to read, so
    that a run can go on where an earlier one ended. ``block``: weights are rounded in each step as
    the pass block_4bit rounds them; 0 for not at all.
    """

    data: Path
    work: Path
    out: Path
    device: torch.device
    pace: Pace
    is_compiled: bool
    init: Path | None = None
    first_batch: int = 0
    block: int = 64
    shape: LlamaShape = field(default_factory=LlamaShape)
    window: int = 256
    batch: int = 32
    matrix_rate: float = 4e-3
    other_rate: float = 3e-3
    rate_scale: float = 1.0
    weight_decay: float = 0.1
    average_decay: float = 0.995
    seed: int = 20

    @property
    def folder(self) -> Path:
        """Where checkpoint, log, token streams and figures of the run lie."""
        return self.work / "completion"


class NextTokenLoss(nn.Module):
    """Mean cross-entropy in nats of the next token."""

    def __init__(self, network: LlamaForText) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor) -> Tensor:
        """`ids` (batch, length + 1): inputs and, shifted by one, targets."""
        logits: Tensor = self.network(ids[:, :-1]).float()
        return functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


def optimizers_for(network: LlamaForText, settings: CompletionSettings) -> Optimizers:
    """Muon (Jordan et al. 2024) for the matrices of the layers, AdamW for embedding and norms.

    Muon's update is scaled to AdamW's size (Liu et al. 2025, arXiv:2502.16982, equation 4), so
    both rates are of the same kind.
    """
    matrices, tables, vectors = [], [], []
    for name, parameter in network.named_parameters():
        if parameter.dim() < 2:
            vectors.append(parameter)
        elif "embed_tokens" in name:
            tables.append(parameter)
        else:
            matrices.append(parameter)
    return [
        torch.optim.Muon(
            matrices,
            lr=settings.matrix_rate * settings.rate_scale,
            weight_decay=settings.weight_decay,
            momentum=0.95,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(
            [
                {"params": tables, "weight_decay": settings.weight_decay / 10},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=settings.other_rate * settings.rate_scale,
            betas=(0.9, 0.95),
            fused=True,
        ),
    ]


def train_completion(settings: CompletionSettings) -> dict[str, float]:
    """Train until the budget is spent, export the average, and give the figures of the test split.

    Goes on from the checkpoint of the work folder when there is one.
    """
    torch.manual_seed(settings.seed)
    data = load_completion_data(
        settings.data, settings.folder, settings.shape.vocab_size, settings.seed
    )
    network = LlamaForText(settings.shape).to(settings.device)
    if settings.init is not None:
        _begin_with(network, settings.init, data)
    trainee = Trainee(
        network,
        optimizers_for(network, settings),
        WeightAverage(network, settings.average_decay),
        _grid(network, settings.block),
        settings.device,
    )
    loss = NextTokenLoss(network)
    compute = torch.compile(loss) if settings.is_compiled else loss

    def bits(max_windows: int | None) -> float | None:
        return held_out_bits_per_byte(network, data, settings.window, max_windows, settings.device)

    with RunLog("completion", settings.folder / "metrics.jsonl") as log:

        def snapshot() -> None:
            found = bits(SNAPSHOT_WINDOWS)
            if found is not None:
                log.event("snapshot", bits_per_byte=found)
            log.say(f"completion: {found} bits per byte on part of the test split, as shipped")

        state = fit(
            trainee,
            lambda ids: compute(torch.from_numpy(ids).to(settings.device)),
            lambda position: _batches(data, settings, position),
            lambda ids: settings.batch * settings.window,
            settings.pace,
            settings.folder / "checkpoint.pt",
            log,
            snapshot,
        )
        figures: dict[str, float] = {
            "steps": state.step,
            "minutes": state.elapsed_s / 60,
            "tokens": state.step * settings.batch * settings.window,
        }
        found = {"bits_per_byte.last": bits(None)}
        trainee.average.keep()
        found["bits_per_byte"] = bits(None)
        with trainee.rounded():
            found["bits_per_byte.rounded"] = bits(None)
        figures |= {name: value for name, value in found.items() if value is not None}
        figures["bytes"] = export_completion(network, data.tokenizer, settings.out)
        log.event("done", **figures)
    write_figures(settings.folder / "figures.json", figures)
    return figures


def _batches(
    data: CompletionData, settings: CompletionSettings, position: int
) -> Iterator[tuple[int, Ids]]:
    stream = data.streams["train"]
    count = window_count(len(stream), settings.window)
    first = settings.first_batch
    for after, chosen in batches_from(first + position, count, settings.batch, settings.seed):
        yield after - first, windows(stream, settings.window, chosen)


def _grid(network: LlamaForText, block: int) -> BlockGrid | None:
    """All matrices: layers, and the embedding table that is also the head."""
    if not block:
        return None
    matrices = {name: p for name, p in network.named_parameters() if p.dim() == 2}
    return BlockGrid(matrices, block)


def _begin_with(network: LlamaForText, folder: Path, data: CompletionData) -> None:
    own = data.tokenizer.get_vocab()
    path = folder / "tokenizer.json"
    if not path.is_file() or type(data.tokenizer).from_file(str(path)).get_vocab() != own:
        raise DataError(
            str(path),
            "must have the vocabulary of this run",
            found="another one" if path.is_file() else "nothing",
            do="train on the same data and vocab_size as that model was, or without --init",
        )
    load_weights(network, read_weights(folder), str(folder))
