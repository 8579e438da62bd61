"""config.json and tensors of a tiny model of each family.

A family's tensors follow its config.json, so a test may change a key and get the weights to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Family = Literal[
    "bert",
    "bert-embedding",
    "distilbert",
    "distilbert-embedding",
    "gpt2",
    "llama",
    "qwen2",
    "qwen3",
    "roberta",
]
Config = dict[str, object]
Tensors = dict[str, tuple[tuple[int, ...], bool]]
"""Shape by name; true for scales of norms, whose values lie around 1 rather than 0."""

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
HIDDEN = 32
LAYERS = 2
POSITIONS = 64


@dataclass(frozen=True, slots=True)
class Tiny:
    """One family. ``files`` are JSON files that its directories have besides config.json."""

    config: Config
    tensors: Callable[[Config], Tensors]
    tokenizer: Literal["wordpiece", "bytes"]
    files: Mapping[str, object] = field(default_factory=dict)


def _whole(config: Config, key: str) -> int:
    value = config[key]
    if not isinstance(value, int):
        raise TypeError(f"{key} is {value!r}")
    return value


def _linear(tensors: Tensors, name: str, outputs: int, inputs: int, *, bias: bool = True) -> None:
    tensors[f"{name}.weight"] = ((outputs, inputs), False)
    if bias:
        tensors[f"{name}.bias"] = ((outputs,), False)


def _norm(tensors: Tensors, name: str, size: int, *, bias: bool = True) -> None:
    tensors[f"{name}.weight"] = ((size,), True)
    if bias:
        tensors[f"{name}.bias"] = ((size,), False)


def _bert_body(config: Config, root: str, heads: Mapping[str, tuple[int, int]]) -> Tensors:
    """``heads``: outputs and inputs of the linear maps that follow the encoder."""
    size, inner = _whole(config, "hidden_size"), _whole(config, "intermediate_size")
    embeddings = f"{root}embeddings"
    rows = {
        "word": _whole(config, "vocab_size"),
        "position": _whole(config, "max_position_embeddings"),
        "token_type": _whole(config, "type_vocab_size"),
    }
    tensors: Tensors = {
        f"{embeddings}.{kind}_embeddings.weight": ((count, size), False)
        for kind, count in rows.items()
    }
    for name, (outputs, inputs) in heads.items():
        _linear(tensors, name, outputs, inputs)
    norms = [f"{embeddings}.LayerNorm"]
    for index in range(_whole(config, "num_hidden_layers")):
        layer = f"{root}encoder.layer.{index}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            _linear(tensors, f"{layer}.attention.{name}", size, size)
        _linear(tensors, f"{layer}.intermediate.dense", inner, size)
        _linear(tensors, f"{layer}.output.dense", size, inner)
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name in norms:
        _norm(tensors, name, size)
    return tensors


def _bert(config: Config) -> Tensors:
    size = _whole(config, "hidden_size")
    heads = {"bert.pooler.dense": (size, size), "classifier": (len(LABELS), size)}
    return _bert_body(config, "bert.", heads)


def _bert_embedding(config: Config) -> Tensors:
    size = _whole(config, "hidden_size")
    return _bert_body(config, "", {"pooler.dense": (size, size)})


def _roberta(config: Config) -> Tensors:
    size = _whole(config, "hidden_size")
    heads = {"classifier.dense": (size, size), "classifier.out_proj": (len(LABELS), size)}
    return _bert_body(config, "roberta.", heads)


def _distilbert_body(config: Config, root: str) -> Tensors:
    size, inner = _whole(config, "dim"), _whole(config, "hidden_dim")
    rows = {"word": _whole(config, "vocab_size"), "position": POSITIONS}
    tensors: Tensors = {
        f"{root}embeddings.{kind}_embeddings.weight": ((count, size), False)
        for kind, count in rows.items()
    }
    _norm(tensors, f"{root}embeddings.LayerNorm", size)
    for index in range(_whole(config, "n_layers")):
        layer = f"{root}transformer.layer.{index}"
        for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
            _linear(tensors, f"{layer}.attention.{name}", size, size)
        _linear(tensors, f"{layer}.ffn.lin1", inner, size)
        _linear(tensors, f"{layer}.ffn.lin2", size, inner)
        _norm(tensors, f"{layer}.sa_layer_norm", size)
        _norm(tensors, f"{layer}.output_layer_norm", size)
    return tensors


def _distilbert(config: Config) -> Tensors:
    tensors = _distilbert_body(config, "distilbert.")
    size = _whole(config, "dim")
    _linear(tensors, "pre_classifier", size, size)
    _linear(tensors, "classifier", len(LABELS), size)
    return tensors


def _distilbert_embedding(config: Config) -> Tensors:
    return _distilbert_body(config, "")


def _llama(config: Config) -> Tensors:
    size, inner = _whole(config, "hidden_size"), _whole(config, "intermediate_size")
    heads, kv_heads = _whole(config, "num_attention_heads"), _whole(config, "num_key_value_heads")
    head_dim, vocab = _whole(config, "head_dim"), _whole(config, "vocab_size")
    kind = config["model_type"]
    attention_bias = bool(config.get("attention_bias", False))
    qkv_bias, mlp_bias = attention_bias or kind == "qwen2", bool(config.get("mlp_bias", False))
    tensors: Tensors = {"model.embed_tokens.weight": ((vocab, size), False)}
    _norm(tensors, "model.norm", size, bias=False)
    for index in range(_whole(config, "num_hidden_layers")):
        layer = f"model.layers.{index}"
        for name in ("input_layernorm", "post_attention_layernorm"):
            _norm(tensors, f"{layer}.{name}", size, bias=False)
        attention = f"{layer}.self_attn"
        _linear(tensors, f"{attention}.q_proj", heads * head_dim, size, bias=qkv_bias)
        _linear(tensors, f"{attention}.k_proj", kv_heads * head_dim, size, bias=qkv_bias)
        _linear(tensors, f"{attention}.v_proj", kv_heads * head_dim, size, bias=qkv_bias)
        _linear(tensors, f"{attention}.o_proj", size, heads * head_dim, bias=attention_bias)
        if kind == "qwen3":
            _norm(tensors, f"{attention}.q_norm", head_dim, bias=False)
            _norm(tensors, f"{attention}.k_norm", head_dim, bias=False)
        _linear(tensors, f"{layer}.mlp.gate_proj", inner, size, bias=mlp_bias)
        _linear(tensors, f"{layer}.mlp.up_proj", inner, size, bias=mlp_bias)
        _linear(tensors, f"{layer}.mlp.down_proj", size, inner, bias=mlp_bias)
    if not config["tie_word_embeddings"]:
        _linear(tensors, "lm_head", vocab, size, bias=False)
    return tensors


def _gpt2(config: Config) -> Tensors:
    """As transformers saves it, below ``transformer.``; the first files of OpenAI lack that."""
    size, vocab = _whole(config, "n_embd"), _whole(config, "vocab_size")
    inner = _whole(config, "n_inner") if "n_inner" in config else 4 * size
    root = "transformer."
    tensors: Tensors = {
        f"{root}wte.weight": ((vocab, size), False),
        f"{root}wpe.weight": ((_whole(config, "n_positions"), size), False),
    }
    for index in range(_whole(config, "n_layer")):
        layer = f"{root}h.{index}"
        _norm(tensors, f"{layer}.ln_1", size)
        _norm(tensors, f"{layer}.ln_2", size)
        for name, inputs, outputs in (
            ("attn.c_attn", size, 3 * size),
            ("attn.c_proj", size, size),
            ("mlp.c_fc", size, inner),
            ("mlp.c_proj", inner, size),
        ):
            tensors[f"{layer}.{name}.weight"] = ((inputs, outputs), False)
            tensors[f"{layer}.{name}.bias"] = ((outputs,), False)
    _norm(tensors, f"{root}ln_f", size)
    if not config.get("tie_word_embeddings", True):
        _linear(tensors, "lm_head", vocab, size, bias=False)
    return tensors


_ID2LABEL = {str(index): label for index, label in enumerate(LABELS)}
_BERT: Config = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "vocab_size": 0,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 2 * HIDDEN,
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "problem_type": "multi_label_classification",
    "id2label": _ID2LABEL,
}
_DISTILBERT: Config = {
    "architectures": ["DistilBertForSequenceClassification"],
    "model_type": "distilbert",
    "vocab_size": 0,
    "dim": HIDDEN,
    "n_layers": LAYERS,
    "n_heads": 4,
    "hidden_dim": 2 * HIDDEN,
    "max_position_embeddings": POSITIONS,
    "activation": "gelu",
    "pad_token_id": 0,
    "id2label": _ID2LABEL,
}
_LLAMA: Config = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 0,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 2 * HIDDEN,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": POSITIONS,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
    "bos_token_id": 0,
    "eos_token_id": 0,
}
_GPT2: Config = {
    "architectures": ["GPT2LMHeadModel"],
    "model_type": "gpt2",
    "vocab_size": 0,
    "n_embd": HIDDEN,
    "n_layer": LAYERS,
    "n_head": 4,
    "n_positions": POSITIONS,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
_POOLING = {
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {
            "idx": 1,
            "name": "1",
            "path": "1_Pooling",
            "type": "sentence_transformers.models.Pooling",
        },
        {
            "idx": 2,
            "name": "2",
            "path": "2_Normalize",
            "type": "sentence_transformers.models.Normalize",
        },
    ],
    "1_Pooling/config.json": {
        "word_embedding_dimension": HIDDEN,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
    },
}


def _qwen(number: int, theta: float) -> Config:
    name = f"Qwen{number}ForCausalLM"
    return {
        **_LLAMA,
        "architectures": [name],
        "model_type": f"qwen{number}",
        "rms_norm_eps": 1e-6,
        "rope_theta": theta,
    }


TINY: Mapping[Family, Tiny] = {
    "bert": Tiny(_BERT, _bert, "wordpiece"),
    "bert-embedding": Tiny(
        {**_BERT, "architectures": ["BertModel"], "id2label": None},
        _bert_embedding,
        "wordpiece",
        _POOLING,
    ),
    "distilbert": Tiny(_DISTILBERT, _distilbert, "wordpiece"),
    "distilbert-embedding": Tiny(
        {**_DISTILBERT, "architectures": ["DistilBertModel"], "id2label": None},
        _distilbert_embedding,
        "wordpiece",
    ),
    "gpt2": Tiny(_GPT2, _gpt2, "bytes"),
    "llama": Tiny(_LLAMA, _llama, "bytes"),
    "qwen2": Tiny(_qwen(2, 1e6), _llama, "bytes"),
    # Heads together are wider than the hidden state, as in the real ones.
    "qwen3": Tiny({**_qwen(3, 1e6), "head_dim": 16}, _llama, "bytes"),
    "roberta": Tiny(
        {
            **_BERT,
            "architectures": ["RobertaForSequenceClassification"],
            "model_type": "roberta",
            "max_position_embeddings": POSITIONS + 2,
            "type_vocab_size": 1,
            "layer_norm_eps": 1e-5,
            "pad_token_id": 1,
        },
        _roberta,
        "bytes",
    ),
}
