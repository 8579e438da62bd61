"""A Hugging Face directory with safetensors: config.json decides the family and the sizes."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from extbuild.artifacts import Task
from extbuild.errors import SourceError
from extbuild.source.checkpoint import Checkpoint
from extbuild.source.config_json import ModelConfig
from extbuild.source.decoders import gpt2, llama, qwen2, qwen3
from extbuild.source.encoders import (
    bert,
    bert_embedding,
    distilbert,
    distilbert_embedding,
    roberta,
)

Builder = Callable[[ModelConfig, Checkpoint], ir.Model]
FAMILIES: Mapping[str, tuple[Task, Builder]] = {
    "BertForSequenceClassification": ("moderation", bert),
    "BertModel": ("embedding", bert_embedding),
    "DistilBertForSequenceClassification": ("moderation", distilbert),
    "DistilBertModel": ("embedding", distilbert_embedding),
    "GPT2LMHeadModel": ("completion", gpt2),
    "LlamaForCausalLM": ("completion", llama),
    "Qwen2ForCausalLM": ("completion", qwen2),
    "Qwen3ForCausalLM": ("completion", qwen3),
    "RobertaForSequenceClassification": ("moderation", roberta),
}
"""What a family in config.json's ``architectures`` is for, and what makes its graph."""


@dataclass(frozen=True, slots=True)
class Built:
    """A graph with the rows of its embedding table and the number of weights it was made from."""

    graph: ir.Model
    rows: int
    params: int


def build_graph(files: list[Path], config: ModelConfig, task: Task) -> Built:
    """The ONNX graph of a checkpoint."""
    build = _builder(config, task)
    if config.values.get("quantization_config") is not None:
        raise config.wrong(
            "quantization_config",
            "must be absent",
            config.values["quantization_config"],
            "use the weights as they were before they were quantised",
        )
    checkpoint = Checkpoint.of(files)
    rows = config.whole("vocab_size")
    graph = build(config, checkpoint)
    leftovers = checkpoint.leftovers()
    if leftovers:
        raise SourceError(
            str(files[0]),
            f"holds {len(leftovers)} tensors that config.json has no place for",
            found=", ".join(leftovers[:3]),
            do="compare num_hidden_layers and architectures with the weights",
        )
    return Built(graph, rows, checkpoint.params())


def _builder(config: ModelConfig, task: Task) -> Builder:
    named = config.values.get("architectures")
    if not isinstance(named, list) or len(named) != 1:
        raise config.wrong("architectures", "must name one architecture", named)
    family = str(named[0])
    if family not in FAMILIES:
        close = difflib.get_close_matches(family, FAMILIES, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}? Otherwise " if close else ""
        raise config.wrong(
            "architectures",
            f"must be one of {', '.join(FAMILIES)}",
            family,
            f"{hint}export the model as model.onnx",
        )
    fits, builder = FAMILIES[family]
    if fits != task:
        raise config.wrong(
            "architectures", f"must fit the recipe's task {task}", family, "change one of the two"
        )
    return builder
