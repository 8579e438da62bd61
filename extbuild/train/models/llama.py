"""Llama decoder with tied embeddings; parameter names are those of Hugging Face.

Shapes: `input_ids` (batch, seq); hidden states (batch, seq, hidden). RMSNorm before each
half, rotary positions in the rotate-half layout, grouped-query attention, SwiGLU
(Touvron et al. 2023, arXiv:2302.13971; Ainslie et al. 2023, arXiv:2305.13245).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from extbuild.train.byte_pairs import END_OF_TEXT_ID


@dataclass(frozen=True)
class LlamaShape:
    """Sizes of the decoder; the defaults give 10.3 M parameters."""

    vocab_size: int = 8192
    hidden_size: int = 384
    layers: int = 5
    heads: int = 6
    kv_heads: int = 2
    head_dim: int = 64
    intermediate_size: int = 896
    max_positions: int = 512
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5


def rotary_table(shape: LlamaShape) -> tuple[Tensor, Tensor]:
    """cos and sin (max_positions, head_dim), both halves alike (Su et al. 2021, RoFormer)."""
    half = torch.arange(0, shape.head_dim, 2, dtype=torch.float64) / shape.head_dim
    angle = torch.outer(torch.arange(shape.max_positions).double(), shape.rope_theta**-half)
    both = torch.cat([angle, angle], dim=-1)
    return both.cos().float(), both.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of `x` (batch, heads, seq, head_dim): x * cos + rotate_half(x) * sin."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def causal_bias(input_ids: Tensor) -> Tensor:
    """0 where a position may look, -1e4 elsewhere; (batch, 1, seq, seq) for ids (batch, seq).

    Windows are cut from documents packed one after the other. Each begins with a separator, and no
    position looks beyond the beginning of its own.
    """
    seq = input_ids.shape[1]
    later = torch.ones(seq, seq, dtype=torch.bool, device=input_ids.device).triu(1)
    document = (input_ids == END_OF_TEXT_ID).cumsum(dim=1)
    foreign = document[:, None, :, None] != document[:, None, None, :]
    return torch.zeros(1, device=input_ids.device).masked_fill(later | foreign, -1e4)


class RmsNorm(nn.Module):
    """x / rms(x) * weight (Zhang & Sennrich 2019)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Same shape and dtype as `x`; computed in fp32."""
        wide = x.float()
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (scaled * self.weight).to(x.dtype)


class SelfAttention(nn.Module):
    """Causal grouped-query attention."""

    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.shape = shape
        query_size = shape.heads * shape.head_dim
        kv_size = shape.kv_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, query_size, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, kv_size, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, kv_size, bias=False)
        self.o_proj = nn.Linear(query_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, causal: Tensor) -> Tensor:
        """`x` (batch, seq, hidden); tables (seq, head_dim); `causal` (batch, 1, seq, seq)."""
        shape = self.shape
        batch, seq, _ = x.shape
        query = self.q_proj(x).view(batch, seq, shape.heads, shape.head_dim).transpose(1, 2)
        key = self.k_proj(x).view(batch, seq, shape.kv_heads, shape.head_dim).transpose(1, 2)
        value = self.v_proj(x).view(batch, seq, shape.kv_heads, shape.head_dim).transpose(1, 2)
        cos, sin = cos.to(query.dtype), sin.to(query.dtype)
        group = shape.heads // shape.kv_heads
        key = rotate(key, cos, sin).repeat_interleave(group, dim=1)
        value = value.repeat_interleave(group, dim=1)
        # Written out: the fused CPU kernel's backward pass is several times slower than this.
        scores = rotate(query, cos, sin) @ key.transpose(2, 3) * shape.head_dim**-0.5
        weights = torch.softmax(scores.float() + causal, dim=-1).to(value.dtype)
        mixed = weights @ value
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(batch, seq, -1))
        return out


class Mlp(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)) (Shazeer 2020)."""

    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, seq, hidden) to the same."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """One pre-norm decoder layer."""

    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.self_attn = SelfAttention(shape)
        self.mlp = Mlp(shape)
        self.input_layernorm = RmsNorm(shape.hidden_size, shape.norm_eps)
        self.post_attention_layernorm = RmsNorm(shape.hidden_size, shape.norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, causal: Tensor) -> Tensor:
        """(batch, seq, hidden) to the same."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, causal)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Decoder(nn.Module):
    """Embedding, layers and final norm: everything below `model.`."""

    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RmsNorm(shape.hidden_size, shape.norm_eps)
        cos, sin = rotary_table(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, input_ids: Tensor) -> Tensor:
        """ids (batch, seq) to normalised hidden states."""
        seq = input_ids.shape[1]
        cos = self.get_buffer("cos")[:seq]
        sin = self.get_buffer("sin")[:seq]
        causal = causal_bias(input_ids)
        hidden: Tensor = self.embed_tokens(input_ids)
        for layer in self.layers:
            hidden = layer(hidden, cos, sin, causal)
        out: Tensor = self.norm(hidden)
        return out


class LlamaForText(nn.Module):
    """Next-token logits (batch, seq, vocab) through the transposed embedding table."""

    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                # GPT-2 initialisation: residual outputs shrink with depth.
                is_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(
                    parameter, std=0.02 / (2 * shape.layers) ** 0.5 if is_residual else 0.02
                )

    def forward(self, input_ids: Tensor) -> Tensor:
        """ids (batch, seq) to logits (batch, seq, vocab)."""
        return functional.linear(self.model(input_ids), self.model.embed_tokens.weight)
