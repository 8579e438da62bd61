"""config.json of the decoder families, read into shapes, and their graphs."""

import numpy as np
import onnx_ir as ir

from extbuild.errors import SourceError
from extbuild.source.builders.decoder import DecoderShape
from extbuild.source.builders.gpt2 import Gpt2Shape, build_gpt2
from extbuild.source.builders.layers import ACTIVATIONS
from extbuild.source.builders.llama import LlamaShape, build_llama
from extbuild.source.checkpoint import Checkpoint
from extbuild.source.config_json import ModelConfig
from extbuild.source.rope import read_rotary

EXPORT = "export the model as model.onnx"


def llama(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    """``LlamaForCausalLM``, SmolLM2 among them."""
    bias = config.flag("attention_bias", default=False)
    return _llama_like(
        config,
        checkpoint,
        qkv_bias=bias,
        output_bias=bias,
        mlp_bias=config.flag("mlp_bias", default=False),
    )


def qwen2(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    """``Qwen2ForCausalLM``: queries, keys and values have a bias."""
    return _llama_like(config, checkpoint, qkv_bias=True)


def qwen3(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    """``Qwen3ForCausalLM``: queries and keys are normalised; head_dim stands by itself."""
    config.whole("head_dim")
    bias = config.flag("attention_bias", default=False)
    return _llama_like(config, checkpoint, qkv_bias=bias, output_bias=bias, qk_norm=True)


def gpt2(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    """``GPT2LMHeadModel``, with or without ``transformer.`` before the names."""
    for key, wanted in (
        ("add_cross_attention", False),
        ("scale_attn_by_inverse_layer_idx", False),
        ("scale_attn_weights", True),
    ):
        if config.flag(key, default=wanted) != wanted:
            raise config.wrong(key, f"must be {str(wanted).lower()}", not wanted, EXPORT)
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    if hidden % heads:
        raise config.wrong("num_attention_heads", f"must divide {hidden}", heads)
    sizes = DecoderShape(
        vocab_size=config.whole("vocab_size"),
        hidden=hidden,
        layers=config.whole("num_hidden_layers"),
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        intermediate=config.whole("intermediate_size", default=4 * hidden),
        norm_eps=config.number("layer_norm_epsilon", 1e-5),
        tied=config.flag("tie_word_embeddings", default=True),
    )
    root = checkpoint.root("wte.weight", ("transformer.", ""))
    shape = Gpt2Shape(
        sizes=sizes,
        max_positions=config.whole("max_position_embeddings", default=1024),
        activation=ACTIVATIONS[config.one_of("hidden_act", ACTIVATIONS, "gelu_new")],
        root=root,
    )
    graph = build_gpt2(shape, checkpoint.take)
    _check_tied_head(checkpoint, sizes, f"{root}wte.weight")
    return graph


def _llama_like(
    config: ModelConfig,
    checkpoint: Checkpoint,
    *,
    qkv_bias: bool = False,
    output_bias: bool = False,
    mlp_bias: bool = False,
    qk_norm: bool = False,
) -> ir.Model:
    _refuse_other_attention(config)
    sizes = _sizes(config)
    shape = LlamaShape(
        sizes=sizes,
        rotary=read_rotary(config, sizes.head_dim),
        activation=ACTIVATIONS[config.one_of("hidden_act", ACTIVATIONS, "silu")],
        qkv_bias=qkv_bias,
        output_bias=output_bias,
        mlp_bias=mlp_bias,
        qk_norm=qk_norm,
    )
    graph = build_llama(shape, checkpoint.take)
    _check_tied_head(checkpoint, sizes, "model.embed_tokens.weight")
    return graph


def _sizes(config: ModelConfig) -> DecoderShape:
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    kv_heads = config.whole("num_key_value_heads", default=heads)
    if heads % kv_heads:
        raise config.wrong(
            "num_key_value_heads", f"must divide num_attention_heads {heads}", kv_heads
        )
    return DecoderShape(
        vocab_size=config.whole("vocab_size"),
        hidden=hidden,
        layers=config.whole("num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=config.whole("head_dim", default=max(hidden // heads, 1)),
        intermediate=config.whole("intermediate_size"),
        norm_eps=config.number("rms_norm_eps", 1e-6),
        tied=config.flag("tie_word_embeddings", default=False),
    )


def _refuse_other_attention(config: ModelConfig) -> None:
    """Attention here sees the whole text, turns halves of heads, and softens nothing."""
    kinds = config.values.get("layer_types")
    other = [kind for kind in kinds if kind != "full_attention"] if isinstance(kinds, list) else []
    if other:
        raise config.wrong("layer_types", 'must all be "full_attention"', other[0], EXPORT)
    for key in ("use_sliding_window", "use_mrope", "rope_interleaved"):
        if config.flag(key, default=False):
            raise config.wrong(key, "must be false", True, EXPORT)
    for key in ("attn_logit_softcapping", "final_logit_softcapping"):
        if config.values.get(key) is not None:
            raise config.wrong(key, "must be null", config.values[key], EXPORT)


def _check_tied_head(checkpoint: Checkpoint, sizes: DecoderShape, table: str) -> None:
    """A tied checkpoint may store the head again; then it must equal the table."""
    if not sizes.tied or "lm_head.weight" not in checkpoint.tensors:
        return
    size = (sizes.vocab_size, sizes.hidden)
    if not np.array_equal(
        checkpoint.repeated("lm_head.weight", size), checkpoint.take(table, size)
    ):
        raise SourceError(
            f"{checkpoint.place}: lm_head.weight",
            f"must equal {table}, since config.json ties them",
            do='set "tie_word_embeddings": false',
        )
