"""Scores, masks, softmax and the sum over values become one ATTENTION.

The mask is never matched by its nodes. It is computed for each probe, and has to hide just what the
engine hides: nothing of a text in an encoder (padding does not exist there), later tokens in a
decoder.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from extbuild.compile.lower.axes import offsets, shape_of
from extbuild.compile.lower.pooling import replaced
from extbuild.compile.lower.probes import visible
from extbuild.compile.lower.refusal import RefusalError
from extbuild.compile.lower.state import Run
from extbuild.compile.lower.values import (
    Array,
    Axes,
    Axis,
    Factor,
    Known,
    Meaning,
    Past,
    Scores,
    View,
)
from extbuild.compile.program import Kind, Op, Rows, float_word

HIDDEN = -1000.0
"""A score that is this much lower has a share of exp(-1000) = 0 in float32."""


def append_to_cache(run: Run, past: Past, fresh: Meaning, axis: int) -> View:
    """Keys or values of the cache and of this run: the axis of tokens becomes one of keys."""
    if not isinstance(fresh, View) or axis % len(fresh.axes) != 2 or len(fresh.axes) != 4:
        raise RefusalError("appends to the cache along another axis than its third")
    batch, heads, tokens, last = fresh.axes
    kinds = tuple(factor.kind for one in (batch, tokens) for factor in one)
    _, kv_heads, _, head_dim = past.sizes[0]
    if kinds != ("batch", "seq") or shape_of((heads, last), 0) != (kv_heads, head_dim):
        raise RefusalError("appends to the cache what has not its shape")
    keys = Factor("keys", tuple(probe.total for probe in run.probes))
    return replace(fresh, axes=replaced(fresh.axes, 2, (keys,)))


def scores(query: View, key: View) -> Scores:
    """``query @ key``, with keys transposed: ``(batch, …heads, queries, keys)``."""
    if len(query.axes) != len(key.axes) or len(query.axes) < 3:
        raise RefusalError("multiplies two matrices that are not heads of queries and keys")
    rows, inner = query.axes[-2:]
    other, tokens = key.axes[-2:]
    if _kinds(rows) != ("seq",) or _kinds(tokens) not in (("seq",), ("keys",)):
        raise RefusalError("multiplies two matrices that are not heads of queries and keys")
    if not inner or inner != other or len(inner) != 1 or inner[0].stride != 1:
        raise RefusalError("multiplies heads whose columns do not lie side by side")
    return Scores(query, key, (*query.axes[:-2], rows, tokens), query.scale * key.scale)


def scaled(held: Scores, factor: float) -> Scores:
    """Scores times a number, before any mask."""
    if held.shares or held.masks:
        raise RefusalError("multiplies scores that are masked already")
    return replace(held, scale=held.scale * factor)


def biased(held: Scores, bias: Known) -> Scores:
    """Scores plus a mask: 0 where a key may be seen, very low where not."""
    for array in bias.arrays:
        if ((array != 0) & ~(array <= HIDDEN)).any():
            raise RefusalError("adds something else than a mask to the scores")
    return _masked(held, Known(tuple(array == 0 for array in bias.arrays)))


def chosen(held: Scores, kept: Known, other: Known) -> Scores:
    """Scores where ``kept``, a very low number elsewhere."""
    if any((array > HIDDEN).any() for array in other.arrays):
        raise RefusalError("replaces scores by numbers that are not very low")
    return _masked(held, kept)


def softmax(run: Run, held: Scores, axis: int) -> Scores:
    """Shares over the keys, if the masks hide just what attention in the engine hides."""
    if held.shares or axis % len(held.axes) != len(held.axes) - 1:
        raise RefusalError("takes a softmax over something else than the keys")
    _prove(run, held)
    return replace(held, shares=True)


def mixed(run: Run, held: Scores, value: View) -> View:
    """``shares @ value``: ATTENTION."""
    if not held.shares:
        raise RefusalError("multiplies scores without a softmax")
    if len(value.axes) != len(held.axes) or value.axes[-2] != held.axes[-1]:
        raise RefusalError("multiplies shares by something else than the values of its keys")
    query, key, value = run.compact(held.query), run.compact(held.key), run.unscaled(value)
    value = run.compact(value)
    head_dim = query.width
    if head_dim % 4 or value.width != head_dim:
        raise RefusalError(f"has heads of {head_dim} and {value.width} columns, not equal fours")
    if held.axes[:-2] != held.query.axes[:-2]:
        raise RefusalError("rearranges scores between the queries and the values")
    query_at, key_at, value_at = np.broadcast_arrays(
        _heads(query.axes[:-2]), _heads(key.axes[:-2]), _heads(value.axes[:-2])
    )
    heads = query_at.size
    kv_heads = len(np.unique(key_at))
    expected = np.arange(heads) // max(heads // kv_heads, 1) * head_dim
    if (
        heads % kv_heads
        or not np.array_equal(query_at.reshape(-1), np.arange(heads) * head_dim)
        or not np.array_equal(key_at.reshape(-1), expected)
        or not np.array_equal(value_at.reshape(-1), expected)
        or _heads(query.axes[:-2]).size != heads
    ):
        raise RefusalError("shares keys and values between heads in another way than by groups")
    layer = _layer(run, held, kv_heads, head_dim)
    made = run.emit(
        Op.ATTENTION,
        Rows.TOKENS,
        heads * head_dim,
        a=run.region(query),
        b=run.region(key),
        c=run.region(value),
        p=(heads, kv_heads, head_dim, float_word(held.scale), layer),
    )
    return View(made, (*query.axes[:-1], run.columns(head_dim)))


def _layer(run: Run, held: Scores, kv_heads: int, head_dim: int) -> int:
    cached = _kinds(held.axes[-1]) == ("keys",)
    if cached != (run.kind is Kind.DECODER):
        raise RefusalError("needs a key/value cache in a decoder, and none in an encoder")
    if not cached:
        return 0
    if run.layers and (run.kv_heads, run.head_dim) != (kv_heads, head_dim):
        raise RefusalError("has another cache shape than the layers before")
    run.kv_heads, run.head_dim = kv_heads, head_dim
    run.layers += 1
    return run.layers - 1


def _kinds(axis: Axis) -> tuple[str, ...]:
    return tuple(factor.kind for factor in axis)


def _heads(leading: Axes) -> NDArray[np.int64]:
    """Column offset of each head, over the leading axes without the batch."""
    if not leading or not leading[0] or leading[0][0].kind != "batch":
        raise RefusalError("has heads whose first axis is not the batch")
    return offsets((leading[0][1:], *leading[1:]))


def _masked(held: Scores, kept: Known) -> Scores:
    if held.shares:
        raise RefusalError("masks shares, after the softmax")
    return replace(held, masks=(*held.masks, kept))


def _prove(run: Run, held: Scores) -> None:
    for index, probe in enumerate(run.probes):
        expected = visible(run.kind, probe)
        seen: NDArray[np.bool_] = np.ones((1, 1, 1), np.bool_)
        for mask in held.masks:
            seen = seen & _by_tokens(held.axes, mask.arrays[index], index)
        # What padding sees is of no interest; what sees padding is.
        wrong = (seen != expected) & probe.real[:, :, None]
        if wrong.any():
            text, query, key = (int(place) for place in np.argwhere(wrong)[0])
            told = "shows" if not expected[text, query, key] else "hides"
            raise RefusalError(
                f"{told} token {key} of {probe.total} to token {probe.past + query}, which is "
                f"neither a padding mask nor a causal one"
            )


def _by_tokens(axes: Axes, mask: Array, probe: int) -> NDArray[np.bool_]:
    """A mask as ``(batch or 1, queries or 1, keys or 1)``; it must be the same for all heads."""
    shape = shape_of(axes, probe)
    if mask.ndim > len(shape):
        raise RefusalError("adds a mask of more axes than the scores have")
    wide = mask.astype(np.bool_).reshape((1,) * (len(shape) - mask.ndim) + mask.shape)
    sizes: list[int] = []
    kinds: list[str] = []
    for axis, length, whole in zip(axes, wide.shape, shape, strict=True):
        if length not in (1, whole):
            raise RefusalError(f"adds a mask of the shape {mask.shape} to scores of {shape}")
        for factor in axis:
            sizes.append(1 if length == 1 and whole != 1 else factor.sizes[probe])
            kinds.append(factor.kind)
    whole_mask = wide.reshape(sizes)
    for place, kind in enumerate(kinds):
        if kind in ("column", "repeat") and sizes[place] > 1:
            first = whole_mask.take([0], axis=place)
            if (whole_mask != first).any():
                raise RefusalError("hides different tokens from different heads")
            whole_mask = first
    by_kind = dict(zip(kinds, whole_mask.shape, strict=True))
    keys = "keys" if "keys" in kinds else "seq"
    if keys == "keys":
        order = [by_kind.get(kind, 1) for kind in ("batch", "seq", "keys")]
    else:
        tokens = [size for kind, size in zip(kinds, whole_mask.shape, strict=True) if kind == "seq"]
        order = [by_kind.get("batch", 1), *tokens]
    return whole_mask.reshape(order)
