"""From a trained completion network to a model directory, and its bits per byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from extbuild.evaluate.metrics import bits_per_byte
from extbuild.train.completion_data import CompletionData
from extbuild.train.device import half_precision
from extbuild.train.export import export_directory
from extbuild.train.models.llama import LlamaForText, LlamaShape
from extbuild.train.pack import Ids, window_count, windows

EVALUATION_BATCH = 8


@torch.inference_mode()
def stream_loss(
    network: LlamaForText, stream: Ids, window: int, max_windows: int | None, device: torch.device
) -> tuple[float, int]:
    """Summed next-token loss in nats over a stream in whole windows, and the tokens predicted.

    Each window is read without what stands before it, so the figure is a little pessimistic.
    """
    network.eval()
    count = window_count(len(stream), window)
    count = count if max_windows is None else min(count, max_windows)
    total = 0.0
    for start in range(0, count, EVALUATION_BATCH):
        chosen = np.arange(start, min(start + EVALUATION_BATCH, count))
        ids = torch.from_numpy(windows(stream, window, chosen)).to(device)
        with half_precision(device):
            logits = network(ids[:, :-1])
        total += functional.cross_entropy(
            logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="sum"
        ).item()
    network.train()
    return total, count * window


def held_out_bits_per_byte(
    network: LlamaForText,
    data: CompletionData,
    window: int,
    max_windows: int | None,
    device: torch.device,
) -> float | None:
    """Bits per byte on the test split (or its first windows); separators are predicted as well."""
    stream = data.streams["test"]
    total, tokens = stream_loss(network, stream, window, max_windows, device)
    share = tokens / max(1, len(stream) - 1)
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


def export_completion(network: LlamaForText, tokenizer: Tokenizer, out: Path) -> int:
    """Write the model directory; gives its bytes."""
    return export_directory(
        out,
        completion_config(network.shape),
        json.loads(tokenizer.to_str()),
        dict(network.named_parameters()),
    )
