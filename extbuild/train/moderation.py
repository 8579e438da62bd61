"""Training of the moderation model: a pretrained encoder fine-tuned on six labels."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from extbuild.evaluate.metrics import mean_defined, roc_auc
from extbuild.train.augment import AugmentShares
from extbuild.train.calibrate import Platt, fit_platt
from extbuild.train.checkpoint import RunState, load_checkpoint, save_checkpoint
from extbuild.train.device import half_precision
from extbuild.train.export import export_directory
from extbuild.train.manifest import data_file, write_manifest
from extbuild.train.models.bert import BertForLabels, BertShape
from extbuild.train.moderation_data import (
    load_small_tokenizer,
    load_splits,
    moderation_file,
    plain_batches,
    read_tokenizer_json,
    training_batches,
)
from extbuild.train.moderation_report import moderation_figures
from extbuild.train.pretrained import load_pretrained, pretrained_folder
from extbuild.train.rows import LABELS, Row
from extbuild.train.run_log import RunLog
from extbuild.train.schedule import TimedSchedule

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class ModerationSettings:
    """Everything that decides a run. `rate` is the peak at the top layer."""

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
    shares: AugmentShares = AugmentShares()
    clip: float = 1.0
    seed: int = 20
    checkpoint_s: float = 300.0
    export_s: float = 480.0


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


class LabelLoss(nn.Module):
    """Weighted binary cross-entropy; weight 0 masks an unknown label."""

    positive: Tensor

    def __init__(self, network: BertForLabels, positive_weights: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("positive", torch.tensor(positive_weights))

    def forward(self, ids: Tensor, mask: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        logits = self.network(ids, mask)
        losses = functional.binary_cross_entropy_with_logits(
            logits, targets, reduction="none", pos_weight=self.positive
        )
        return (losses * weights).sum() / weights.sum().clamp(min=1.0)


@torch.inference_mode()
def label_logits(
    network: BertForLabels, rows: list[Row], tokenizer: Tokenizer, settings: ModerationSettings
) -> Logits:
    """Logits (rows, labels) of unchanged texts, in the order of `rows`."""
    network.eval()
    logits = np.zeros((len(rows), len(LABELS)))
    batches = plain_batches(rows, tokenizer, settings.batch_tokens, settings.max_positions)
    for chosen, batch in batches:
        ids = torch.from_numpy(batch.ids).to(settings.device)
        mask = torch.from_numpy(batch.mask).to(settings.device)
        with half_precision(settings.device):
            logits[chosen] = network(ids, mask).double().cpu().numpy()
    network.train()
    return logits


def known_columns(rows: list[Row]) -> tuple[Logits, Logits]:
    """Targets and weights of all rows, each (rows, labels)."""
    return np.array([row.targets for row in rows]), np.array([row.weights for row in rows])


def mean_auc(logits: Logits, rows: list[Row]) -> float:
    """Mean area under the curve over the labels, known labels only."""
    targets, weights = known_columns(rows)
    return mean_defined(
        [
            roc_auc(logits[known, at], targets[known, at] >= 0.5)
            for at in range(len(LABELS))
            for known in [weights[:, at] > 0]
        ]
    ) or float("nan")


def calibrations(logits: Logits, rows: list[Row]) -> list[Platt]:
    """One Platt scaling per label from validation rows."""
    targets, weights = known_columns(rows)
    return [fit_platt(logits[:, at], targets[:, at], weights[:, at]) for at in range(len(LABELS))]


def fold(network: BertForLabels, platts: list[Platt]) -> None:
    """Put the calibration into the classifier: afterwards sigmoid(logit) is the probability."""
    device = network.classifier.weight.device
    scale = torch.tensor([platt.scale for platt in platts], device=device)
    bias = torch.tensor([platt.bias for platt in platts], device=device)
    with torch.no_grad():
        network.classifier.weight.mul_(scale[:, None])
        network.classifier.bias.mul_(scale).add_(bias)


def moderation_config(shape: BertShape, platts: list[Platt]) -> dict[str, Any]:
    """`config.json` of the exported model; the calibration is already in the classifier."""
    folded = {name: [p.scale, p.bias] for name, p in zip(LABELS, platts, strict=False)}
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": shape.max_positions,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "problem_type": "multi_label_classification",
        "id2label": {str(at): name for at, name in enumerate(LABELS)},
        "label2id": {name: at for at, name in enumerate(LABELS)},
        "torch_dtype": "float16",
        "extbuild": {"calibration": {"folded_scale_and_bias": folded}},
    }


def export_moderation(
    network: BertForLabels, tokenizer: Tokenizer, platts: list[Platt], out: Path
) -> int:
    """Write the model directory; gives its bytes."""
    return export_directory(
        out,
        moderation_config(network.shape, platts),
        json.loads(tokenizer.to_str()),
        dict(network.named_parameters()),
    )


def train_moderation(settings: ModerationSettings) -> dict[str, float]:
    """Train until the time is spent, calibrate, export, and give the figures of the test split."""
    torch.manual_seed(settings.seed)
    work = settings.work / "moderation"
    splits = load_splits(settings.data, settings.seed)
    write_manifest(
        work / "manifest.json",
        [data_file(moderation_file(settings.data))],
        {name: len(rows) for name, rows in splits.items()},
    )
    folder = pretrained_folder()
    original = read_tokenizer_json(folder / "tokenizer.json")
    tokenizer = load_small_tokenizer(
        work / f"tokenizer-{settings.vocab_size}.json",
        original,
        splits["train"],
        settings.data,
        settings.vocab_size,
    )
    shape = BertShape(
        vocab_size=tokenizer.get_vocab_size(),
        labels=len(LABELS),
        max_positions=settings.max_positions,
        dropout=0.0,
    )
    network = BertForLabels(shape).to(settings.device)
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    load_pretrained(network, folder, [original["model"]["vocab"][token] for token, _ in tokens])
    optimizer = torch.optim.AdamW(parameter_groups(network, settings), fused=True)
    checkpoint = work / "checkpoint.pt"
    state = load_checkpoint(checkpoint, network, [optimizer])
    with RunLog("moderation", work / "metrics.jsonl") as log:
        state = _train(
            network,
            optimizer,
            splits["train"],
            splits["validation"],
            tokenizer,
            settings,
            state,
            log,
        )
        save_checkpoint(checkpoint, network, [optimizer], state)
        logits = {
            name: label_logits(network, splits[name], tokenizer, settings)
            for name in ("validation", "test")
        }
        platts = calibrations(logits["validation"], splits["validation"])
        fold(network, platts)
        size = export_moderation(network, tokenizer, platts, settings.out)
        scale, bias = np.array([[p.scale for p in platts], [p.bias for p in platts]])
        figures = moderation_figures(
            validation=(splits["validation"], logits["validation"] * scale + bias),
            test=(splits["test"], logits["test"] * scale + bias),
        )
        log.event("done", bytes=size, elapsed_s=state.elapsed_s, step=state.step, **figures)
    return figures


def _train(
    network: BertForLabels,
    optimizer: torch.optim.Optimizer,
    rows: list[Row],
    validation: list[Row],
    tokenizer: Tokenizer,
    settings: ModerationSettings,
    state: RunState,
    log: RunLog,
) -> RunState:
    schedule = TimedSchedule(settings.max_minutes * 60)
    peaks = [group["lr"] for group in parameter_groups(network, settings)]
    loss_of = LabelLoss(network, settings.positive_weights).to(settings.device)
    compute = torch.compile(loss_of, dynamic=True) if settings.is_compiled else loss_of
    network.train()
    smooth, seen = 0.0, 0
    base_s, started = state.elapsed_s, time.monotonic()
    saved_s = exported_s = base_s
    stream = training_batches(
        rows,
        tokenizer,
        settings.shares,
        settings.batch_tokens,
        settings.train_tokens,
        settings.seed,
        state.position,
    )
    for position, batch in stream:
        factor = schedule.factor(state.elapsed_s) if state.step else 0.01
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * factor
        arrays = (batch.ids, batch.mask, batch.targets, batch.weights)
        tensors = [torch.from_numpy(array).to(settings.device) for array in arrays]
        with half_precision(settings.device):
            loss = compute(*tensors)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        elapsed = base_s + time.monotonic() - started
        state = RunState(state.step + 1, position, elapsed)
        seen += int(batch.ids.size)
        value = loss.item()
        smooth = value if smooth == 0.0 else 0.98 * smooth + 0.02 * value
        log.step(
            schedule.progress(elapsed),
            loss=smooth,
            tokens_s=seen / (elapsed - base_s),
            step=state.step,
            chunk=position // 1_000_000,
        )
        if elapsed - saved_s >= settings.checkpoint_s:
            save_checkpoint(settings.work / "moderation/checkpoint.pt", network, [optimizer], state)
            saved_s = elapsed
        if elapsed - exported_s >= settings.export_s or (exported_s == 0.0 and elapsed > 240):
            export_moderation(network, tokenizer, [], settings.out)
            part = validation[:1500]
            auc = mean_auc(label_logits(network, part, tokenizer, settings), part)
            log.say(f"moderation: snapshot exported, mean AUC {auc:.4f} on part of validation")
            exported_s = elapsed
        if schedule.is_over(elapsed):
            break
    return state
