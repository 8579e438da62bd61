"""Where a run computes, and how the threads are shared out."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from extbuild.errors import UserError


def chosen_device(name: str) -> torch.device:
    """`auto` takes an accelerator when torch sees one; `cuda` insists on it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "--device", "torch sees no accelerator", found="cuda", do="use --device cpu"
        )
    return torch.device(name)


def half_precision(device: torch.device) -> AbstractContextManager[object]:
    """Matrix products in bfloat16, the rest in fp32; AMX makes this the fast path on CPUs too."""
    return torch.autocast(device.type, dtype=torch.bfloat16)
