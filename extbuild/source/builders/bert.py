"""BERT (Devlin et al. 2018) and RoBERTa (Liu et al. 2019), which has the same layers."""

import onnx_ir as ir

from extbuild.source.builders.encoder import Encoder, EncoderNames, EncoderShape
from extbuild.source.builders.pooling import Pooling, pool
from extbuild.source.builders.tape import Weights


def bert_names(root: str) -> EncoderNames:
    """Tensor names below ``root``, which is "" or ends with a dot."""
    return EncoderNames(
        root=root,
        layer="encoder.layer",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        mixed="attention.output.dense",
        mixed_norm="attention.output.LayerNorm",
        inner="intermediate.dense",
        outer="output.dense",
        outer_norm="output.LayerNorm",
    )


def build_bert(shape: EncoderShape, labels: int, weights: Weights) -> ir.Model:
    """A ``BertForSequenceClassification``: tanh pooler over [CLS], then one logit per label."""
    encoder = Encoder(shape, bert_names("bert."), weights)
    tape, size = encoder.tape, shape.hidden
    tape.scope("classifier")
    pooled = tape.op("Tanh", encoder.linear("bert.pooler.dense", encoder.first(), size, size))
    return encoder.finish(encoder.linear("classifier", pooled, size, labels), "logits", labels)


def build_roberta(shape: EncoderShape, labels: int, weights: Weights) -> ir.Model:
    """A ``RobertaForSequenceClassification``: its pooler belongs to the classifier."""
    encoder = Encoder(shape, bert_names("roberta."), weights)
    tape, size = encoder.tape, shape.hidden
    tape.scope("classifier")
    pooled = tape.op("Tanh", encoder.linear("classifier.dense", encoder.first(), size, size))
    logits = encoder.linear("classifier.out_proj", pooled, size, labels)
    return encoder.finish(logits, "logits", labels)


def build_bert_embedding(
    shape: EncoderShape, root: str, pooling: Pooling, weights: Weights
) -> ir.Model:
    """A ``BertModel`` whose hidden states are pooled to one vector a text."""
    return pool(Encoder(shape, bert_names(root), weights), pooling)
