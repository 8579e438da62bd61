"""DistilBERT (Sanh et al. 2019): BERT's layers without token types and without a pooler."""

import onnx_ir as ir

from extbuild.source.builders.encoder import Encoder, EncoderNames, EncoderShape
from extbuild.source.builders.pooling import Pooling, pool
from extbuild.source.builders.tape import Weights


def distilbert_names(root: str) -> EncoderNames:
    """Tensor names below ``root``, which is "" or ends with a dot."""
    return EncoderNames(
        root=root,
        layer="transformer.layer",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        mixed="attention.out_lin",
        mixed_norm="sa_layer_norm",
        inner="ffn.lin1",
        outer="ffn.lin2",
        outer_norm="output_layer_norm",
    )


def build_distilbert(shape: EncoderShape, labels: int, weights: Weights) -> ir.Model:
    """A ``DistilBertForSequenceClassification``: linear and ReLU over [CLS], then the logits."""
    encoder = Encoder(shape, distilbert_names("distilbert."), weights)
    tape, size = encoder.tape, shape.hidden
    tape.scope("classifier")
    inner = tape.op("Relu", encoder.linear("pre_classifier", encoder.first(), size, size))
    return encoder.finish(encoder.linear("classifier", inner, size, labels), "logits", labels)


def build_distilbert_embedding(
    shape: EncoderShape, root: str, pooling: Pooling, weights: Weights
) -> ir.Model:
    """A ``DistilBertModel`` whose hidden states are pooled to one vector a text."""
    return pool(Encoder(shape, distilbert_names(root), weights), pooling)
