"""From a trained moderation network to a model directory: logits, calibration, export."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from extbuild.evaluate.metrics import mean_defined, roc_auc
from extbuild.train.calibrate import Platt, fit_platt
from extbuild.train.device import half_precision
from extbuild.train.export import export_directory
from extbuild.train.models.bert import BertForLabels, BertShape
from extbuild.train.moderation_data import plain_batches
from extbuild.train.rows import LABELS, Row

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class Judge:
    """A network with its tokenizer, ready to judge unchanged texts."""

    network: BertForLabels
    tokenizer: Tokenizer
    device: torch.device
    batch_tokens: int = 3072

    @torch.inference_mode()
    def logits(self, rows: list[Row]) -> Logits:
        """Logits (rows, labels) in the order of `rows`; leaves the network in training mode."""
        self.network.eval()
        logits = np.zeros((len(rows), len(LABELS)))
        limit = self.network.shape.max_positions
        for chosen, batch in plain_batches(rows, self.tokenizer, self.batch_tokens, limit):
            ids = torch.from_numpy(batch.ids).to(self.device)
            mask = torch.from_numpy(batch.mask).to(self.device)
            with half_precision(self.device):
                logits[chosen] = self.network(ids, mask).double().cpu().numpy()
        self.network.train()
        return logits

    def export(self, platts: list[Platt], out: Path) -> int:
        """Write the model directory with `platts` folded in; gives its bytes."""
        tensors = dict(self.network.named_parameters())
        weight, bias = tensors["classifier.weight"], tensors["classifier.bias"]
        scales = torch.tensor([platt.scale for platt in platts], device=weight.device)
        shifts = torch.tensor([platt.bias for platt in platts], device=weight.device)
        folded = {
            "classifier.weight": weight * scales[:, None],
            "classifier.bias": bias * scales + shifts,
        }
        return export_directory(
            out,
            moderation_config(self.network.shape, platts),
            json.loads(self.tokenizer.to_str()),
            tensors | folded,
        )


def known_columns(rows: list[Row]) -> tuple[Logits, Logits]:
    """Targets and weights of all rows, each (rows, labels)."""
    return np.array([row.targets for row in rows]), np.array([row.weights for row in rows])


def mean_auc(logits: Logits, rows: list[Row]) -> float | None:
    """Mean area under the curve over the labels that the rows can measure."""
    targets, weights = known_columns(rows)
    known = weights > 0
    return mean_defined(
        [
            roc_auc(logits[known[:, at], at], targets[known[:, at], at] >= 0.5)
            for at in range(len(LABELS))
        ]
    )


def calibrations(logits: Logits, rows: list[Row]) -> list[Platt]:
    """One Platt scaling per label from validation rows."""
    targets, weights = known_columns(rows)
    return [fit_platt(logits[:, at], targets[:, at], weights[:, at]) for at in range(len(LABELS))]


def calibrated(logits: Logits, platts: list[Platt]) -> Logits:
    """Logits (rows, labels) after calibration."""
    scale = np.array([platt.scale for platt in platts])
    bias = np.array([platt.bias for platt in platts])
    return np.asarray(logits * scale + bias)


def moderation_config(shape: BertShape, platts: list[Platt]) -> dict[str, Any]:
    """`config.json` of the exported model; the calibration is already in the classifier."""
    folded = {
        name: {"scale": platt.scale, "bias": platt.bias}
        for name, platt in zip(LABELS, platts, strict=True)
    }
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
        "extbuild": {"calibration": {"folded_into_classifier": folded}},
    }
