"""A Hugging Face directory with safetensors: config.json decides the family and the sizes."""

import difflib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from extbuild.artifacts import Task
from extbuild.errors import SourceError
from extbuild.source.builders.bert import BertShape, build_bert
from extbuild.source.builders.llama import LlamaShape, build_llama
from extbuild.source.config_json import ModelConfig
from extbuild.source.safetensors_file import StoredTensor, read_header

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
IGNORED_SUFFIXES = (".position_ids", ".rotary_emb.inv_freq")
"""Buffers that old versions of transformers stored beside the weights."""


@dataclass(slots=True)
class Checkpoint:
    """The tensors of a directory; remembers which were taken, so that leftovers are noticed."""

    place: str
    tensors: Mapping[str, StoredTensor]
    taken: set[str] = field(default_factory=set)
    copies: set[str] = field(default_factory=set)

    def repeated(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Like :meth:`take`, for a tensor that is stored twice: it counts no parameters."""
        value = self.take(name, shape)
        self.taken.discard(name)
        self.copies.add(name)
        return value

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The tensor as float32; SourceError if it is missing or has another shape."""
        stored = self.tensors.get(name)
        if stored is None:
            close = difflib.get_close_matches(name, self.tensors, n=1)
            do = "use the config.json that belongs to these weights"
            if close:
                do += f" (nearest name in the file: {close[0]})"
            raise SourceError(self.place, f"lacks the tensor {name}", do=do)
        stored.check_shape(shape)
        self.taken.add(name)
        return stored.read()

    def params(self) -> int:
        """Number of weights taken; a head that merely repeats a tied table is not taken."""
        return sum(math.prod(self.tensors[name].shape) for name in self.taken)

    def leftovers(self) -> list[str]:
        """Tensors that the graph has no place for."""
        return [
            name
            for name in self.tensors
            if name not in self.taken | self.copies and not name.endswith(IGNORED_SUFFIXES)
        ]


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a directory in a fixed order; empty if it has none."""
    single, index = directory / WEIGHTS_FILE, directory / INDEX_FILE
    if single.is_file():
        return [single]
    if not index.is_file():
        return []
    try:
        names = sorted(
            {str(name) for name in json.loads(index.read_bytes())["weight_map"].values()}
        )
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise SourceError(
            str(index), "must hold a weight_map", found=str(error), do="copy the file again"
        ) from error
    for name in names:
        if not (directory / name).is_file():
            raise SourceError(str(directory / name), f"is missing, though {INDEX_FILE} names it")
    return [directory / name for name in names]


@dataclass(frozen=True, slots=True)
class Built:
    """A graph with the rows of its embedding table and the number of weights it was made from."""

    graph: ir.Model
    rows: int
    params: int


def build_graph(files: list[Path], config: ModelConfig, task: Task) -> Built:
    """The ONNX graph of a checkpoint."""
    build = _builder(config, task)
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        tensors.update(read_header(file))
    checkpoint = Checkpoint(str(files[0]), tensors)
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


def _bert(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    return build_bert(_bert_shape(config), checkpoint.take)


def _llama(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    shape = _llama_shape(config)
    graph = build_llama(shape, checkpoint.take)
    if shape.tied:
        _check_tied_head(checkpoint, shape)
    return graph


Builder = Callable[[ModelConfig, Checkpoint], ir.Model]
FAMILIES: Mapping[str, tuple[Task, Builder]] = {
    "BertForSequenceClassification": ("moderation", _bert),
    "LlamaForCausalLM": ("completion", _llama),
}
"""What a family in config.json's ``architectures`` is for, and what makes its graph."""


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


def _bert_shape(config: ModelConfig) -> BertShape:
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    if hidden % heads:
        raise config.wrong("num_attention_heads", f"must divide hidden_size {hidden}", heads)
    activation = config.text("hidden_act", "gelu")
    if activation != "gelu":
        raise config.wrong("hidden_act", 'must be "gelu"', activation, "export it as model.onnx")
    kind = config.text("position_embedding_type", "absolute")
    if kind != "absolute":
        raise config.wrong("position_embedding_type", 'must be "absolute"', kind)
    return BertShape(
        vocab_size=config.whole("vocab_size"),
        labels=len(config.labels()),
        hidden=hidden,
        layers=config.whole("num_hidden_layers"),
        heads=heads,
        intermediate=config.whole("intermediate_size"),
        max_positions=config.whole("max_position_embeddings"),
        token_types=config.whole("type_vocab_size", default=2),
        norm_eps=config.number("layer_norm_eps", 1e-12),
    )


def _llama_shape(config: ModelConfig) -> LlamaShape:
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    kv_heads = config.whole("num_key_value_heads", default=heads)
    if heads % kv_heads:
        raise config.wrong(
            "num_key_value_heads", f"must divide num_attention_heads {heads}", kv_heads
        )
    head_dim = config.whole("head_dim", default=hidden // heads)
    if head_dim % 2:
        raise config.wrong("head_dim", "must be even for rotary positions", head_dim)
    activation = config.text("hidden_act", "silu")
    if activation != "silu":
        raise config.wrong("hidden_act", 'must be "silu"', activation)
    for key in ("attention_bias", "mlp_bias"):
        if config.flag(key, default=False):
            raise config.wrong(key, "must be false", True, "export the model as model.onnx")
    if config.values.get("rope_scaling") is not None:
        raise config.wrong("rope_scaling", "must be null", config.values["rope_scaling"])
    return LlamaShape(
        vocab_size=config.whole("vocab_size"),
        hidden=hidden,
        layers=config.whole("num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        intermediate=config.whole("intermediate_size"),
        rope_theta=config.number("rope_theta", 10000.0),
        norm_eps=config.number("rms_norm_eps", 1e-6),
        tied=config.flag("tie_word_embeddings", default=False),
    )


def _check_tied_head(checkpoint: Checkpoint, shape: LlamaShape) -> None:
    """A tied checkpoint may store the head again; then it must equal the table."""
    if "lm_head.weight" not in checkpoint.tensors:
        return
    size = (shape.vocab_size, shape.hidden)
    table = checkpoint.take("model.embed_tokens.weight", size)
    if not np.array_equal(checkpoint.repeated("lm_head.weight", size), table):
        raise SourceError(
            f"{checkpoint.place}: lm_head.weight",
            "must equal model.embed_tokens.weight, since config.json ties them",
            do='set "tie_word_embeddings": false',
        )
