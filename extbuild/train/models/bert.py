"""BERT encoder with a multi-label head; parameter names are those of Hugging Face.

Shapes: `input_ids`, `mask` (batch, seq); hidden states (batch, seq, hidden).
Post-layer-norm transformer of Devlin et al. 2018 (arXiv:1810.04805).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class BertShape:
    """Sizes of the encoder; the defaults are all-MiniLM-L6-v2 with a short position table."""

    vocab_size: int
    labels: int
    hidden_size: int = 384
    layers: int = 6
    heads: int = 12
    intermediate_size: int = 1536
    max_positions: int = 256
    dropout: float = 0.1


class Embeddings(nn.Module):
    """Word + position + type-0 embedding, normalised."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.position_embeddings = nn.Embedding(shape.max_positions, shape.hidden_size)
        self.token_type_embeddings = nn.Embedding(2, shape.hidden_size)
        self.LayerNorm = nn.LayerNorm(shape.hidden_size, eps=1e-12)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, input_ids: Tensor) -> Tensor:
        """ids (batch, seq) to hidden states (batch, seq, hidden)."""
        fixed = self.position_embeddings.weight[: input_ids.shape[1]]
        fixed = fixed + self.token_type_embeddings.weight[0]
        summed: Tensor = self.word_embeddings(input_ids) + fixed
        out: Tensor = self.dropout(self.LayerNorm(summed))
        return out


class SelfProjections(nn.Module):
    """Holder of query, key and value so that the names match `attention.self.*`."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)


class Projection(nn.Module):
    """Linear, dropout, residual, layer norm: the tail of both halves of a layer."""

    def __init__(self, inputs: int, shape: BertShape) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, shape.hidden_size)
        self.LayerNorm = nn.LayerNorm(shape.hidden_size, eps=1e-12)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, inner: Tensor, residual: Tensor) -> Tensor:
        """`inner` (batch, seq, inputs) projected onto `residual` (batch, seq, hidden)."""
        added: Tensor = self.LayerNorm(self.dropout(self.dense(inner)) + residual)
        return added


class Attention(nn.Module):
    """Multi-head self-attention; `bias` (batch, 1, 1, seq) is 0 for tokens, -1e4 for padding."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.self = SelfProjections(shape.hidden_size)
        self.output = Projection(shape.hidden_size, shape)
        self.heads = shape.heads

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """Hidden states to hidden states."""
        batch, seq, width = hidden.shape
        split = (batch, seq, self.heads, width // self.heads)
        query = self.self.query(hidden).view(split).transpose(1, 2)
        key = self.self.key(hidden).view(split).transpose(1, 2)
        value = self.self.value(hidden).view(split).transpose(1, 2)
        # Written out: the fused CPU kernel's backward pass is several times slower than this.
        scores = query @ key.transpose(2, 3) * (width // self.heads) ** -0.5
        mixed = torch.softmax(scores.float() + bias, dim=-1).to(value.dtype) @ value
        joined = mixed.transpose(1, 2).reshape(batch, seq, width)
        out: Tensor = self.output(joined, hidden)
        return out


class Intermediate(nn.Module):
    """First half of the feed-forward block (exact GELU)."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.hidden_size, shape.intermediate_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, seq, hidden) to (batch, seq, intermediate)."""
        return functional.gelu(self.dense(hidden))


class Layer(nn.Module):
    """One post-norm encoder layer."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.intermediate = Intermediate(shape)
        self.output = Projection(shape.intermediate_size, shape)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """Hidden states to hidden states."""
        attended: Tensor = self.attention(hidden, bias)
        out: Tensor = self.output(self.intermediate(attended), attended)
        return out


class Encoder(nn.Module):
    """The stack of layers, named `encoder.layer.N`."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(shape) for _ in range(shape.layers))

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """Hidden states through all layers."""
        for layer in self.layer:
            hidden = layer(hidden, bias)
        return hidden


class Pooler(nn.Module):
    """tanh of a linear map of the [CLS] position."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.hidden_size, shape.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, seq, hidden) to (batch, hidden)."""
        return torch.tanh(self.dense(hidden[:, 0]))


class Bert(nn.Module):
    """Embeddings, encoder and pooler: everything below `bert.`."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.encoder = Encoder(shape)
        self.pooler = Pooler(shape)

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """ids and mask to the pooled vector (batch, hidden)."""
        bias = (1.0 - mask.float())[:, None, None, :] * -1e4
        pooled: Tensor = self.pooler(self.encoder(self.embeddings(input_ids), bias))
        return pooled


class BertForLabels(nn.Module):
    """Logits (batch, labels) in fp32."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.shape = shape
        self.bert = Bert(shape)
        self.dropout = nn.Dropout(shape.dropout)
        self.classifier = nn.Linear(shape.hidden_size, shape.labels)

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """ids and mask to logits (batch, labels)."""
        logits: Tensor = self.classifier(self.dropout(self.bert(input_ids, mask)))
        return logits.float()
