"""Training of the moderation model: a pretrained encoder fine-tuned on six labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from extbuild.train.augment import AugmentShares
from extbuild.train.average import WeightAverage
from extbuild.train.grid import BlockGrid
from extbuild.train.initial import read_weights
from extbuild.train.loop import Pace, Trainee, fit
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
from extbuild.train.pretrained import load_pretrained, load_trained, old_ids, pretrained_folder
from extbuild.train.rows import LABELS, Row
from extbuild.train.run_log import RunLog

SNAPSHOT_ROWS = 1500
"""About so many validation rows, spread over all sources, give the figure of a snapshot."""


@dataclass(frozen=True)
class ModerationSettings:
    """Everything that decides a run. `rate` is the peak at the top layer, times `rate_scale`.

    `positive_weights` count positives of rare labels more; calibration undoes the shift. `init` is
    a model directory of an earlier run to begin with, in place of the pretrained encoder. `block`:
    weights are rounded in each step as the pass block_4bit rounds them; 0 for not at all.
    """

    data: Path
    work: Path
    out: Path
    device: torch.device
    pace: Pace
    is_compiled: bool
    init: Path | None = None
    block: int = 64
    vocab_size: int = 5888
    max_positions: int = 256
    train_tokens: int = 128
    batch_tokens: int = 3072
    rate: float = 2e-4
    head_rate: float = 1e-3
    rate_scale: float = 1.0
    average_decay: float = 0.998
    layer_decay: float = 0.88
    weight_decay: float = 0.01
    positive_weights: tuple[float, ...] = (1.0, 2.0, 1.0, 3.0, 1.5, 1.0)
    shares: AugmentShares = field(default_factory=AugmentShares)
    seed: int = 20

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
        rate *= settings.rate_scale
        decay = settings.weight_decay if parameter.dim() > 1 else 0.0
        groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
    return groups


def first_judge(settings: ModerationSettings, rows: list[Row]) -> Judge:
    """The network to begin with, its vocabulary cut to what `rows` need most.

    The pretrained encoder with an untrained head, or the model of `settings.init`, head and all.
    """
    folder = settings.init or pretrained_folder()
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
    word_ids = [old_ids(token, full) for token, _ in tokens]
    if settings.init is None:
        load_pretrained(network, read_weights(folder), word_ids)
    else:
        load_trained(network, read_weights(folder), word_ids, str(folder))
    return Judge(network.to(settings.device), tokenizer, settings.device, settings.batch_tokens)


def grid_for(network: BertForLabels, block: int) -> BlockGrid | None:
    """Matrices of the encoder and the words: what block_4bit takes."""
    if not block:
        return None
    return BlockGrid(
        {
            name: p
            for name, p in network.named_parameters()
            if p.dim() == 2 and (".dense." in name or ".self." in name or "word_emb" in name)
        },
        block,
    )


def train_moderation(settings: ModerationSettings) -> dict[str, float]:
    """Train until the budget is spent, calibrate, export, and give the figures of the test split.

    Goes on from the checkpoint of the work folder when there is one. Calibration and figures are
    those of the averaged weights, rounded as they will ship.
    """
    torch.manual_seed(settings.seed)
    splits = load_splits(settings.data, settings.seed)
    write_manifest(
        settings.folder / "manifest.json",
        [data_file(moderation_file(settings.data))],
        {name: len(rows) for name, rows in splits.items()},
    )
    judge = first_judge(settings, splits["train"])
    trainee = Trainee(
        judge.network,
        [torch.optim.AdamW(parameter_groups(judge.network, settings), fused=True)],
        WeightAverage(judge.network, settings.average_decay),
        grid_for(judge.network, settings.block),
        settings.device,
    )
    loss = LabelLoss(judge.network, settings.positive_weights).to(settings.device)
    compute = torch.compile(loss, dynamic=True) if settings.is_compiled else loss
    validation, test = splits["validation"], splits["test"]
    with RunLog("moderation", settings.folder / "metrics.jsonl") as log:

        def snapshot() -> None:
            part = validation[:: len(validation) // SNAPSHOT_ROWS + 1]
            auc = mean_auc(judge.logits(part), part)
            if auc is not None:
                log.event("snapshot", auc_mean=auc)
            log.say(f"moderation: mean AUC {auc} on part of validation, as shipped")

        state = fit(
            trainee,
            lambda batch: compute(*_tensors(batch, settings.device)),
            lambda position: _batches(splits["train"], judge.tokenizer, settings, position),
            lambda batch: int(batch.ids.size),
            settings.pace,
            settings.folder / "checkpoint.pt",
            log,
            snapshot,
        )
        trainee.average.keep()
        with trainee.rounded():
            raw = judge.logits(validation)
            raw_test = judge.logits(test)
        platts = calibrations(raw, validation)
        size = judge.export(platts, settings.out)
        final = {"validation": calibrated(raw, platts), "test": calibrated(raw_test, platts)}
        np.savez(settings.folder / "logits.npz", allow_pickle=False, **final)
        figures = moderation_figures((validation, final["validation"]), (test, final["test"]))
        figures |= {"bytes": size, "steps": state.step, "minutes": state.elapsed_s / 60}
        figures["epochs"] = state.position / CHUNK_STRIDE * CHUNK_ROWS / len(splits["train"])
        log.event("done", **figures)
    write_figures(settings.folder / "figures.json", figures)
    return figures


def _batches(
    rows: list[Row], tokenizer: Tokenizer, settings: ModerationSettings, position: int
) -> Iterator[tuple[int, Batch]]:
    return training_batches(
        rows,
        tokenizer,
        settings.shares,
        settings.batch_tokens,
        settings.train_tokens,
        settings.seed,
        position,
    )


def _tensors(batch: Batch, device: torch.device) -> list[Tensor]:
    arrays = (batch.ids, batch.mask, batch.targets, batch.weights)
    return [torch.from_numpy(array).to(device) for array in arrays]
