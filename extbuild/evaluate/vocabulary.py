"""The byte string of each token of a byte-level BPE vocabulary.

GPT-2's byte-level alphabet writes every byte as one printable character: printable Latin-1 as
itself, the other 68 bytes as U+0100, U+0101, ... in order of the byte.
"""

import json
from dataclasses import dataclass
from functools import cached_property

from extbuild.errors import SourceError


@dataclass(frozen=True)
class TokenVocabulary:
    """``bytes[i]`` of token ``i``; ``None`` for added tokens, which stand for no text."""

    bytes: tuple[bytes | None, ...]

    @cached_property
    def by_first_byte(self) -> tuple[tuple[int, ...], ...]:
        """Ids, ascending, of the tokens that begin with each of the 256 bytes."""
        ids: list[list[int]] = [[] for _ in range(256)]
        for index, token in enumerate(self.bytes):
            if token:
                ids[token[0]].append(index)
        return tuple(map(tuple, ids))


def token_vocabulary(tokenizer_json: bytes) -> TokenVocabulary:
    """Read from a tokenizer.json; SourceError unless it is byte-level BPE."""
    values = json.loads(tokenizer_json)
    kind = values["model"].get("type")
    if kind != "BPE":
        raise SourceError(
            "tokenizer.json: model.type", "must be BPE for completion", found=repr(kind)
        )
    added = {token["id"] for token in values.get("added_tokens", [])}
    vocabulary: dict[str, int] = values["model"]["vocab"]
    tokens: list[bytes | None] = [None] * (max(vocabulary.values(), default=-1) + 1)
    for token, index in vocabulary.items():
        if index not in added:
            tokens[index] = _token_bytes(token)
    return TokenVocabulary(tuple(tokens))


def _is_printable(byte: int) -> bool:
    return 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or byte >= 0xAE


def _alphabet() -> dict[str, int]:
    others = [byte for byte in range(256) if not _is_printable(byte)]
    shown = {chr(byte): byte for byte in range(256) if _is_printable(byte)}
    return shown | {chr(0x100 + rank): byte for rank, byte in enumerate(others)}


_BYTE_OF = _alphabet()


def _token_bytes(token: str) -> bytes:
    try:
        return bytes(_BYTE_OF[character] for character in token)
    except KeyError as error:
        raise SourceError(
            f"tokenizer.json: token {token!r}",
            "must be written in the byte-level alphabet",
            do="use a ByteLevel pre-tokenizer and decoder",
        ) from error
