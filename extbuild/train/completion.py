"""Training of the completion model: packed windows, Muon for matrices, AdamW for the rest."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from extbuild.evaluate.metrics import bits_per_byte
from extbuild.train.checkpoint import RunState, load_checkpoint, save_checkpoint
from extbuild.train.completion_data import CompletionData, load_completion_data
from extbuild.train.device import half_precision
from extbuild.train.export import export_directory
from extbuild.train.models.llama import LlamaForText, LlamaShape
from extbuild.train.pack import Ids, batches_from, window_count, windows
from extbuild.train.run_log import RunLog
from extbuild.train.schedule import TimedSchedule


@dataclass(frozen=True)
class CompletionSettings:
    """Everything that decides a run. Learning rates are peaks."""

    data: Path
    work: Path
    out: Path
    device: torch.device
    max_minutes: float
    is_compiled: bool
    shape: LlamaShape = LlamaShape()
    window: int = 256
    batch: int = 16
    matrix_rate: float = 4e-3
    other_rate: float = 3e-3
    weight_decay: float = 0.1
    clip: float = 1.0
    seed: int = 20
    checkpoint_s: float = 300.0
    export_s: float = 1200.0


class NextTokenLoss(nn.Module):
    """Mean cross-entropy in nats of the next token; ids (batch, length + 1)."""

    def __init__(self, network: LlamaForText) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.network(ids[:, :-1]).float()
        return functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


def optimizers_for(
    network: LlamaForText, settings: CompletionSettings
) -> list[torch.optim.Optimizer]:
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


@torch.inference_mode()
def stream_loss(
    network: LlamaForText, stream: Ids, settings: CompletionSettings, max_windows: int | None = None
) -> tuple[float, int]:
    """Summed next-token loss in nats over a stream in whole windows, and the tokens predicted."""
    network.eval()
    count = window_count(len(stream), settings.window)
    count = count if max_windows is None else min(count, max_windows)
    total = 0.0
    for start in range(0, count, 8):
        chosen = np.arange(start, min(start + 8, count))
        ids = torch.from_numpy(windows(stream, settings.window, chosen)).to(settings.device)
        with half_precision(settings.device):
            logits = network(ids[:, :-1])
        total += functional.cross_entropy(
            logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="sum"
        ).item()
    network.train()
    return total, count * settings.window


def stream_bits_per_byte(
    network: LlamaForText,
    data: CompletionData,
    settings: CompletionSettings,
    max_windows: int | None,
) -> float | None:
    """Bits per byte on the test split (or its first windows); separators count as predicted."""
    total, tokens = stream_loss(network, data.streams["test"], settings, max_windows)
    share = tokens / max(1, len(data.streams["test"]) - 1)
    return bits_per_byte(total, round(data.bytes["test"] * share))


def completion_config(shape: LlamaShape) -> dict[str, Any]:
    """`config.json` of the exported model."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.intermediate_size,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "max_position_embeddings": shape.max_positions,
        "tie_word_embeddings": True,
        "hidden_act": "silu",
        "attention_bias": False,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": "float16",
    }


def export_completion(network: LlamaForText, data: CompletionData, out: Path) -> int:
    """Write the model directory; gives its bytes."""
    return export_directory(
        out,
        completion_config(network.shape),
        json.loads(data.tokenizer.to_str()),
        dict(network.named_parameters()),
    )


def train_completion(settings: CompletionSettings) -> dict[str, float]:
    """Train until the time is spent, export, and give the figures of the test split."""
    torch.manual_seed(settings.seed)
    work = settings.work / "completion"
    data = load_completion_data(settings.data, work, settings.shape.vocab_size, settings.seed)
    network = LlamaForText(settings.shape).to(settings.device)
    optimizers = optimizers_for(network, settings)
    checkpoint = work / "checkpoint.pt"
    state = load_checkpoint(checkpoint, network, optimizers)
    with RunLog("completion", work / "metrics.jsonl") as log:
        state = _train(network, optimizers, data, settings, state, log)
        save_checkpoint(checkpoint, network, optimizers, state)
        size = export_completion(network, data, settings.out)
        bits = stream_bits_per_byte(network, data, settings, None) or float("nan")
        tokens = float(state.step * settings.batch * settings.window)
        figures = {"test_bits_per_byte": bits, "tokens": tokens, "bytes": float(size)}
        log.event("done", **figures, elapsed_s=state.elapsed_s)
    return figures


def _train(
    network: LlamaForText,
    optimizers: list[torch.optim.Optimizer],
    data: CompletionData,
    settings: CompletionSettings,
    state: RunState,
    log: RunLog,
) -> RunState:
    schedule = TimedSchedule(settings.max_minutes * 60)
    peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    if state.step:
        peaks = [[settings.matrix_rate], [settings.other_rate] * 2]
    loss_of = NextTokenLoss(network)
    compute = torch.compile(loss_of) if settings.is_compiled else loss_of
    stream = data.streams["train"]
    count = window_count(len(stream), settings.window)
    network.train()
    smooth = 0.0
    base_s, started = state.elapsed_s, time.monotonic()
    saved_s = exported_s = base_s
    for position, chosen in batches_from(state.position, count, settings.batch, settings.seed):
        ids = torch.from_numpy(windows(stream, settings.window, chosen)).to(settings.device)
        factor = schedule.factor(state.elapsed_s) if state.step else 0.01
        for optimizer, rates in zip(optimizers, peaks, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        with half_precision(settings.device):
            loss = compute(ids)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        elapsed = base_s + time.monotonic() - started
        state = RunState(state.step + 1, position, elapsed)
        value = loss.item()
        smooth = value if smooth == 0.0 else 0.98 * smooth + 0.02 * value
        speed = (state.elapsed_s - base_s) and settings.batch * settings.window * (
            state.step / state.elapsed_s
        )
        log.step(schedule.progress(elapsed), loss=smooth, tokens_s=speed, step=state.step)
        if elapsed - saved_s >= settings.checkpoint_s:
            save_checkpoint(settings.work / "completion/checkpoint.pt", network, optimizers, state)
            saved_s = elapsed
        if elapsed - exported_s >= settings.export_s:
            export_completion(network, data, settings.out)
            bits = stream_bits_per_byte(network, data, settings, 200)
            log.say(
                f"completion: snapshot exported, {bits} bits per byte on part of the test split"
            )
            exported_s = elapsed
        if schedule.is_over(elapsed):
            break
    return replace(state)
