"""Training of the moderation model: a pretrained encoder fine-tuned on six labels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from extbuild.train.augment import AugmentShares
from extbuild.train.calibrate import Platt
from extbuild.train.checkpoint import RunState, load_checkpoint, save_checkpoint
from extbuild.train.device import half_precision
from extbuild.train.manifest import data_file, write_figures, write_manifest
from extbuild.train.models.bert import BertForLabels, BertShape
from extbuild.train.moderation_data import (
    CHUNK_ROWS,
    CHUNK_STRIDE,
    Batch,
    full_tokenizer,
    load_small_tokenizer,
    load_splits,
    moderation_file,
    read_tokenizer_json,
    training_batches,
)
from extbuild.train.moderation_export import Judge, calibrated, calibrations, mean_auc
from extbuild.train.moderation_report import moderation_figures
from extbuild.train.pretrained import load_pretrained, old_ids, pretrained_folder
from extbuild.train.rows import LABELS, Row, Split
from extbuild.train.run_log import RunLog
from extbuild.train.schedule import Every, TimedSchedule

SNAPSHOT_ROWS = 1500
"""About so many validation rows, spread over all sources, give the figure of a snapshot."""


@dataclass(frozen=True)
class ModerationSettings:
    """Everything that decides a run. `rate` is the peak at the top layer.

    `positive_weights` count positives of rare labels more; calibration undoes the shift.
    """

    data: Path
    work: Path
    out: Path
    device: torch.device
    max_minutes: float
    is_compiled: bool
    vocab_size: int = 8192
    max_positions: int = 256
    train_tokens: int = 128
    batch_tokens: int = 3072
    rate: float = 2e-4
    head_rate: float = 1e-3
    layer_decay: float = 0.88
    weight_decay: float = 0.01
    positive_weights: tuple[float, ...] = (1.0, 2.0, 1.0, 3.0, 1.5, 1.0)
    shares: AugmentShares = field(default_factory=AugmentShares)
    clip: float = 1.0
    seed: int = 20
    checkpoint_s: float = 300.0
    snapshot_s: float = 480.0

    @property
    def folder(self) -> Path:
        """Where checkpoint, log, tokenizer and figures of the run lie."""
        return self.work / "moderation"


class LabelLoss(nn.Module):
    """Weighted binary cross-entropy; weight 0 masks an unknown label."""

    positive: Tensor

    def __init__(self, network: BertForLabels, positive_weights: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("positive", torch.tensor(positive_weights))

    def forward(self, ids: Tensor, mask: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Mean loss per known label; ids, mask (rows, seq), the others (rows, labels)."""
        logits = self.network(ids, mask)
        losses = functional.binary_cross_entropy_with_logits(
            logits, targets, reduction="none", pos_weight=self.positive
        )
        return (losses * weights).sum() / weights.sum().clamp(min=1.0)


def parameter_groups(network: BertForLabels, settings: ModerationSettings) -> list[dict[str, Any]]:
    """One AdamW group per parameter: rates fall by `layer_decay` per layer towards the input.

    Layer-wise decay: Howard & Ruder 2018 (ULMFiT); no weight decay on biases and norms.
    """
    depth = network.shape.layers
    groups = []
    for name, parameter in network.named_parameters():
        if name.startswith("classifier") or ".pooler." in name:
            rate = settings.head_rate
        elif ".layer." in name:
            level = depth - 1 - int(name.split(".layer.")[1].split(".")[0])
            rate = settings.rate * settings.layer_decay**level
        else:
            rate = settings.rate * settings.layer_decay**depth
        decay = settings.weight_decay if parameter.dim() > 1 else 0.0
        groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
    return groups


def pretrained_judge(settings: ModerationSettings, rows: list[Row]) -> Judge:
    """The pretrained encoder with a trimmed vocabulary and an untrained head."""
    folder = pretrained_folder()
    original = read_tokenizer_json(folder / "tokenizer.json")
    path = settings.folder / f"tokenizer-{settings.vocab_size}.json"
    tokenizer = load_small_tokenizer(path, original, rows, settings.data, settings.vocab_size)
    shape = BertShape(
        vocab_size=tokenizer.get_vocab_size(),
        labels=len(LABELS),
        max_positions=settings.max_positions,
        dropout=0.0,
    )
    network = BertForLabels(shape)
    full = full_tokenizer(original)
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    load_pretrained(network, folder, [old_ids(token, full) for token, _ in tokens])
    return Judge(network.to(settings.device), tokenizer, settings.device, settings.batch_tokens)


def train_moderation(settings: ModerationSettings) -> dict[str, float]:
    """Train until the time is spent, calibrate, export, and give the figures of the test split.

    Goes on from the checkpoint of the work folder when there is one.
    """
    torch.manual_seed(settings.seed)
    splits = load_splits(settings.data, settings.seed)
    write_manifest(
        settings.folder / "manifest.json",
        [data_file(moderation_file(settings.data))],
        {name: len(rows) for name, rows in splits.items()},
    )
    judge = pretrained_judge(settings, splits["train"])
    optimizer = torch.optim.AdamW(parameter_groups(judge.network, settings), fused=True)
    checkpoint = settings.folder / "checkpoint.pt"
    state = load_checkpoint(checkpoint, judge.network, [optimizer])
    with RunLog("moderation", settings.folder / "metrics.jsonl") as log:
        state = _fit(judge, optimizer, splits, settings, state, log)
        save_checkpoint(checkpoint, judge.network, [optimizer], state)
        validation, test = splits["validation"], splits["test"]
        raw = judge.logits(validation)
        platts = calibrations(raw, validation)
        size = judge.export(platts, settings.out)
        final = {
            "validation": calibrated(raw, platts),
            "test": calibrated(judge.logits(test), platts),
        }
        np.savez(settings.folder / "logits.npz", allow_pickle=False, **final)
        figures = moderation_figures((validation, final["validation"]), (test, final["test"]))
        figures |= {"bytes": size, "steps": state.step, "minutes": state.elapsed_s / 60}
        figures["epochs"] = state.position / CHUNK_STRIDE * CHUNK_ROWS / len(splits["train"])
        log.event("done", **figures)
    write_figures(settings.folder / "figures.json", figures)
    return figures


def _fit(
    judge: Judge,
    optimizer: torch.optim.Optimizer,
    splits: dict[Split, list[Row]],
    settings: ModerationSettings,
    state: RunState,
    log: RunLog,
) -> RunState:
    schedule = TimedSchedule(settings.max_minutes * 60)
    peaks = [group["lr"] for group in parameter_groups(judge.network, settings)]
    loss_of = LabelLoss(judge.network, settings.positive_weights).to(settings.device)
    compute = torch.compile(loss_of, dynamic=True) if settings.is_compiled else loss_of
    save_due = Every(settings.checkpoint_s, state.elapsed_s)
    snapshot_due = Every(settings.snapshot_s, state.elapsed_s)
    judge.network.train()
    smooth, seen = 0.0, 0
    base_s, started = state.elapsed_s, time.monotonic()
    for position, batch in training_batches(
        splits["train"],
        judge.tokenizer,
        settings.shares,
        settings.batch_tokens,
        settings.train_tokens,
        settings.seed,
        state.position,
    ):
        if schedule.is_over(state.elapsed_s):
            break
        factor = schedule.factor(state.elapsed_s)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * factor
        loss = _step(compute, judge.network, optimizer, batch, settings)
        elapsed = base_s + time.monotonic() - started
        state = RunState(state.step + 1, position, elapsed)
        seen += int(batch.ids.size)
        smooth = loss if smooth == 0.0 else 0.98 * smooth + 0.02 * loss
        speed = seen / (elapsed - base_s)
        log.step(schedule.progress(elapsed), loss=smooth, tokens_s=speed, step=state.step)
        if save_due(elapsed):
            path = settings.folder / "checkpoint.pt"
            save_checkpoint(path, judge.network, [optimizer], state)
        if snapshot_due(elapsed):
            judge.export([Platt(1.0, 0.0)] * len(LABELS), settings.out)
            part = splits["validation"][:: len(splits["validation"]) // SNAPSHOT_ROWS + 1]
            auc = mean_auc(judge.logits(part), part)
            log.say(f"moderation: snapshot exported, mean AUC {auc} on part of validation")
    return state


def _step(
    compute: Callable[..., Tensor],
    network: BertForLabels,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    settings: ModerationSettings,
) -> float:
    arrays = (batch.ids, batch.mask, batch.targets, batch.weights)
    tensors = [torch.from_numpy(array).to(settings.device) for array in arrays]
    with half_precision(settings.device):
        loss = compute(*tensors)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()
