"""Training of the completion model: packed windows, Muon for matrices, AdamW for the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from extbuild.train.checkpoint import RunState, load_checkpoint, save_checkpoint
from extbuild.train.completion_data import CompletionData, load_completion_data
from extbuild.train.completion_export import export_completion, held_out_bits_per_byte
from extbuild.train.device import half_precision
from extbuild.train.manifest import write_figures
from extbuild.train.models.llama import LlamaForText, LlamaShape
from extbuild.train.pack import batches_from, window_count, windows
from extbuild.train.run_log import RunLog
from extbuild.train.schedule import Every, TimedSchedule

SNAPSHOT_WINDOWS = 200
"""Test windows behind the figure of a snapshot."""

Optimizers = list[torch.optim.Optimizer]


@dataclass(frozen=True)
class CompletionSettings:
    """Everything that decides a run. Learning rates are peaks."""

    data: Path
    work: Path
    out: Path
    device: torch.device
    max_minutes: float
    is_compiled: bool
    shape: LlamaShape = field(default_factory=LlamaShape)
    window: int = 256
    batch: int = 16
    matrix_rate: float = 4e-3
    other_rate: float = 3e-3
    weight_decay: float = 0.1
    clip: float = 1.0
    seed: int = 20
    checkpoint_s: float = 300.0
    snapshot_s: float = 1200.0

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
            lr=settings.matrix_rate,
            weight_decay=settings.weight_decay,
            momentum=0.95,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(
            [
                {"params": tables, "weight_decay": settings.weight_decay / 10},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=settings.other_rate,
            betas=(0.9, 0.95),
            fused=True,
        ),
    ]


def train_completion(settings: CompletionSettings) -> dict[str, float]:
    """Train until the time is spent, export, and give the figures of the test split.

    Goes on from the checkpoint of the work folder when there is one.
    """
    torch.manual_seed(settings.seed)
    data = load_completion_data(
        settings.data, settings.folder, settings.shape.vocab_size, settings.seed
    )
    network = LlamaForText(settings.shape).to(settings.device)
    optimizers = optimizers_for(network, settings)
    checkpoint = settings.folder / "checkpoint.pt"
    state = load_checkpoint(checkpoint, network, optimizers)
    with RunLog("completion", settings.folder / "metrics.jsonl") as log:
        state = _fit(network, optimizers, data, settings, state, log)
        save_checkpoint(checkpoint, network, optimizers, state)
        figures: dict[str, float] = {
            "bytes": export_completion(network, data.tokenizer, settings.out),
            "steps": state.step,
            "minutes": state.elapsed_s / 60,
            "tokens": state.step * settings.batch * settings.window,
        }
        bits = held_out_bits_per_byte(network, data, settings.window, None, settings.device)
        if bits is not None:
            figures["bits_per_byte"] = bits
        log.event("done", **figures)
    write_figures(settings.folder / "figures.json", figures)
    return figures


def _fit(
    network: LlamaForText,
    optimizers: Optimizers,
    data: CompletionData,
    settings: CompletionSettings,
    state: RunState,
    log: RunLog,
) -> RunState:
    schedule = TimedSchedule(settings.max_minutes * 60)
    loss_of = NextTokenLoss(network)
    compute = torch.compile(loss_of) if settings.is_compiled else loss_of
    save_due = Every(settings.checkpoint_s, state.elapsed_s)
    snapshot_due = Every(settings.snapshot_s, state.elapsed_s)
    stream = data.streams["train"]
    count = window_count(len(stream), settings.window)
    network.train()
    smooth, first = 0.0, state.step
    base_s, started = state.elapsed_s, time.monotonic()
    for position, chosen in batches_from(state.position, count, settings.batch, settings.seed):
        if schedule.is_over(state.elapsed_s):
            break
        ids = torch.from_numpy(windows(stream, settings.window, chosen)).to(settings.device)
        _set_rates(optimizers, settings, schedule.factor(state.elapsed_s))
        loss = _step(compute, network, optimizers, ids, settings)
        elapsed = base_s + time.monotonic() - started
        state = RunState(state.step + 1, position, elapsed)
        smooth = loss if smooth == 0.0 else 0.98 * smooth + 0.02 * loss
        speed = (state.step - first) * settings.batch * settings.window / (elapsed - base_s)
        log.step(schedule.progress(elapsed), loss=smooth, tokens_s=speed, step=state.step)
        if save_due(elapsed):
            save_checkpoint(settings.folder / "checkpoint.pt", network, optimizers, state)
        if snapshot_due(elapsed):
            export_completion(network, data.tokenizer, settings.out)
            bits = held_out_bits_per_byte(
                network, data, settings.window, SNAPSHOT_WINDOWS, settings.device
            )
            log.say(f"completion: snapshot exported, {bits} bits per byte on part of the test")
    return state


def _set_rates(optimizers: Optimizers, settings: CompletionSettings, factor: float) -> None:
    for optimizer, peak in zip(
        optimizers, (settings.matrix_rate, settings.other_rate), strict=True
    ):
        for group in optimizer.param_groups:
            group["lr"] = peak * factor


def _step(
    compute: Callable[..., Tensor],
    network: LlamaForText,
    optimizers: Optimizers,
    ids: Tensor,
    settings: CompletionSettings,
) -> float:
    with half_precision(settings.device):
        loss = compute(ids)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.item()
