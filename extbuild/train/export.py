"""Writing a trained network as a Hugging Face-style directory: config, tokenizer, fp16 weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from extbuild.train.manifest import compact_json


def export_directory(
    folder: Path,
    config: Mapping[str, Any],
    tokenizer: object,
    tensors: Mapping[str, Tensor],
) -> int:
    """Write `config.json`, `tokenizer.json` and `model.safetensors`; gives the bytes written."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").write_text(compact_json(tokenizer), encoding="utf-8")
    halves = {
        name: tensor.detach().to(torch.float16).contiguous() for name, tensor in tensors.items()
    }
    fresh = folder / "model.safetensors.tmp"
    save_file(halves, fresh, metadata={"format": "pt"})
    fresh.chmod(0o644)
    fresh.replace(folder / "model.safetensors")
    return sum(
        (folder / name).stat().st_size
        for name in ("config.json", "tokenizer.json", "model.safetensors")
    )
