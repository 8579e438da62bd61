"""Reading safetensors files: the header is checked before a tensor is trusted.

Format (https://github.com/huggingface/safetensors, "Format"): 8 bytes, the header's length N as a
little-endian u64; N bytes of JSON, ``name -> {dtype, shape, data_offsets}``; then the data, to
which the offsets are relative. The data has no holes and nothing follows it.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extbuild.errors import SourceError

ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}
FLOATS = ("F64", "F32", "F16", "BF16")
MAX_HEADER_BYTES = 100_000_000  # the reference implementation's own limit


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where one tensor lies: ``bytes`` at ``offset`` from the start of ``file``."""

    file: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    bytes: int

    def read(self) -> NDArray[np.float32]:
        """The tensor as float32; SourceError if it is not of floats or holds NaN or infinity."""
        if self.dtype not in FLOATS:
            raise self._wrong(f"must be stored as one of {', '.join(FLOATS)}", self.dtype)
        raw = np.fromfile(self.file, np.uint8, count=self.bytes, offset=self.offset)
        value = _to_float32(raw, self.dtype).reshape(self.shape)
        if not np.isfinite(value).all():
            raise self._wrong("must hold finite numbers", "NaN or infinity")
        return value

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """SourceError unless the stored shape is the one that config.json implies."""
        if self.shape != shape:
            wanted = " x ".join(map(str, shape))
            raise self._wrong(
                f"must be {wanted} according to config.json", " x ".join(map(str, self.shape))
            )

    def _wrong(self, rule: str, found: str) -> SourceError:
        do = "use the config.json that belongs to these weights"
        return SourceError(f"{self.file}: {self.name}", rule, found=found, do=do)


def read_header(file: Path) -> dict[str, StoredTensor]:
    """Every tensor of one file by name; SourceError if the file is not whole."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length_bytes = stream.read(8)
        length = int.from_bytes(length_bytes, "little")
        if len(length_bytes) < 8:
            raise _truncated(file, 8, size)
        if length > MAX_HEADER_BYTES:
            raise SourceError(
                str(file),
                "is not a safetensors file",
                found=f"a header of {length:,} bytes",
                do="save the weights with the safetensors library",
            )
        if size < 8 + length:
            raise _truncated(file, 8 + length, size)
        header_bytes = stream.read(length)
    tensors = _parse_header(file, header_bytes, 8 + length)
    _check_data(file, tensors, 8 + length, size)
    return {tensor.name: tensor for tensor in tensors}


def _parse_header(file: Path, header_bytes: bytes, start: int) -> list[StoredTensor]:
    try:
        header = json.loads(header_bytes)
        header.pop("__metadata__", None)
        tensors = [
            StoredTensor(
                file,
                name,
                str(entry["dtype"]),
                tuple(int(size) for size in entry["shape"]),
                start + int(entry["data_offsets"][0]),
                int(entry["data_offsets"][1]) - int(entry["data_offsets"][0]),
            )
            for name, entry in header.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise SourceError(
            str(file), "has a damaged header", found=str(error), do="copy the file again"
        ) from error
    return sorted(tensors, key=lambda tensor: tensor.offset)


def _check_data(file: Path, tensors: Iterable[StoredTensor], start: int, size: int) -> None:
    end = start
    for tensor in tensors:
        if tensor.dtype not in ITEM_BYTES:
            known = ", ".join(ITEM_BYTES)
            raise SourceError(
                f"{file}: {tensor.name}", f"must have a dtype of {known}", found=tensor.dtype
            )
        if (
            tensor.offset != end
            or tensor.bytes != math.prod(tensor.shape) * ITEM_BYTES[tensor.dtype]
        ):
            raise SourceError(
                f"{file}: {tensor.name}",
                "its offsets contradict its shape or its neighbour",
                found=f"{tensor.bytes} bytes at {tensor.offset}",
                do="save the weights again",
            )
        end += tensor.bytes
    if size < end:
        raise _truncated(file, end, size)
    if size > end:
        raise SourceError(
            str(file),
            f"must end after {end:,} bytes",
            found=f"{size:,} bytes",
            do="save the weights again",
        )


def _to_float32(raw: NDArray[np.uint8], dtype: str) -> NDArray[np.float32]:
    if dtype == "BF16":
        # bfloat16 is the upper half of a float32.
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    return raw.view({"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype]).astype(np.float32)


def _truncated(file: Path, expected: int, found: int) -> SourceError:
    return SourceError(
        str(file),
        f"is truncated: its header says {expected:,} bytes",
        found=f"{found:,} bytes",
        do="copy or download the file again",
    )
