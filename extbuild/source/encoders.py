"""config.json of the encoder families, read into shapes, and their graphs."""

import onnx_ir as ir

from extbuild.source.builders.bert import build_bert, build_bert_embedding, build_roberta
from extbuild.source.builders.distilbert import build_distilbert, build_distilbert_embedding
from extbuild.source.builders.encoder import EncoderShape
from extbuild.source.builders.layers import ACTIVATIONS
from extbuild.source.checkpoint import Checkpoint
from extbuild.source.config_json import ModelConfig
from extbuild.source.sentence_transformers import read_pooling

WORDS = "embeddings.word_embeddings.weight"


def bert(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    """``BertForSequenceClassification``."""
    return build_bert(_bert_shape(config), len(config.labels()), checkpoint.take)


def bert_embedding(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    """``BertModel``; its pooler, made for another training task, is not part of an embedding."""
    root = checkpoint.root(WORDS, ("", "bert."))
    checkpoint.drop(f"{root}pooler.")
    return build_bert_embedding(_bert_shape(config), root, read_pooling(config), checkpoint.take)


def roberta(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    """``RobertaForSequenceClassification``; positions are counted from behind the pad's id."""
    first = config.whole("pad_token_id", least=0, default=1) + 1
    shape = _bert_shape(config, first_position=first)
    return build_roberta(shape, len(config.labels()), checkpoint.take)


def distilbert(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    """``DistilBertForSequenceClassification``."""
    return build_distilbert(_distilbert_shape(config), len(config.labels()), checkpoint.take)


def distilbert_embedding(config: ModelConfig, checkpoint: Checkpoint) -> ir.Model:
    """``DistilBertModel``."""
    root = checkpoint.root(WORDS, ("", "distilbert."))
    return build_distilbert_embedding(
        _distilbert_shape(config), root, read_pooling(config), checkpoint.take
    )


def _bert_shape(config: ModelConfig, first_position: int = 0) -> EncoderShape:
    kind = config.text("position_embedding_type", "absolute")
    if kind != "absolute":
        raise config.wrong("position_embedding_type", 'must be "absolute"', kind)
    if config.flag("is_decoder", default=False):
        raise config.wrong("is_decoder", "must be false: an encoder reads a whole text", True)
    return _shape(
        config,
        token_types=config.whole("type_vocab_size", default=2),
        norm_eps=config.number("layer_norm_eps", 1e-12),
        first_position=first_position,
    )


def _distilbert_shape(config: ModelConfig) -> EncoderShape:
    return _shape(config, token_types=0, norm_eps=1e-12, first_position=0)


def _shape(
    config: ModelConfig, *, token_types: int, norm_eps: float, first_position: int
) -> EncoderShape:
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    if hidden % heads:
        raise config.wrong("num_attention_heads", f"must divide hidden_size {hidden}", heads)
    return EncoderShape(
        vocab_size=config.whole("vocab_size"),
        hidden=hidden,
        layers=config.whole("num_hidden_layers"),
        heads=heads,
        intermediate=config.whole("intermediate_size"),
        max_positions=config.whole("max_position_embeddings", least=first_position + 1),
        token_types=token_types,
        norm_eps=norm_eps,
        activation=ACTIVATIONS[config.one_of("hidden_act", ACTIVATIONS, "gelu")],
        first_position=first_position,
    )
