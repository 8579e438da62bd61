"""Writing a compiled model as files.

::

    tokenizer.json, golden.json
    program.bin, weights-000.bin ...                  for the engine
    graph.onnx, graph-f16.onnx, graph-000.bin ...     for ONNX Runtime Web
"""

from pathlib import Path

from extbuild.artifacts import CompiledModel, Shard, ShardedBlob, ShardedModel
from extbuild.files import sha256_bytes, storage_errors
from extbuild.shard.plan import plan_shards

TOKENIZER_FILE = "tokenizer.json"
GOLDEN_FILE = "golden.json"
PROGRAM_FILE = "program.bin"
GRAPH_FILE = "graph.onnx"
GRAPH_F16_FILE = "graph-f16.onnx"
ENGINE_STEM = "weights"
ORT_STEM = "graph"


def write_model(model: CompiledModel, directory: Path, max_shard_bytes: int) -> ShardedModel:
    """Write `model` into the empty folder `directory`, made if it is missing.

    The hash of the whole model is that of the lines ``<sha256>  <file>`` of its files, in the order
    in which they are listed above.
    """
    folder = _Folder(directory, max_shard_bytes)
    packed_bytes = sum(model.parts.values())
    engine = ort = None
    with storage_errors(directory, need_bytes=packed_bytes):
        directory.mkdir(parents=True, exist_ok=True)
        folder.write(TOKENIZER_FILE, model.tokenizer_json)
        folder.write(GOLDEN_FILE, model.golden)
        if model.engine is not None:
            folder.write(PROGRAM_FILE, model.engine.program)
            engine = folder.write_shards(ENGINE_STEM, model.engine.weights)
        if model.ort is not None:
            folder.write(GRAPH_FILE, model.ort.graph)
            if model.ort.graph_f16 is not None:
                folder.write(GRAPH_F16_FILE, model.ort.graph_f16)
            ort = folder.write_shards(ORT_STEM, model.ort.weights)
    return ShardedModel(
        name=model.name,
        task=model.task,
        directory=directory,
        engine=engine,
        ort=ort,
        packed_bytes=packed_bytes,
        sha256=sha256_bytes("\n".join(folder.lines).encode()),
    )


class _Folder:
    """Writes files and keeps the line of each."""

    def __init__(self, directory: Path, max_shard_bytes: int) -> None:
        self._directory = directory
        self._max_shard_bytes = max_shard_bytes
        self.lines: list[str] = []

    def write(self, file: str, data: bytes | memoryview) -> str:
        """Write one file; gives its SHA-256."""
        (self._directory / file).write_bytes(data)
        digest = sha256_bytes(data)
        self.lines.append(f"{digest}  {file}")
        return digest

    def write_shards(self, stem: str, weights: bytes) -> ShardedBlob:
        """Cut a blob into files."""
        view = memoryview(weights)
        shards = []
        for piece in plan_shards(len(weights), self._max_shard_bytes, stem):
            digest = self.write(piece.file, view[piece.offset : piece.offset + piece.bytes])
            shards.append(Shard(piece.file, piece.offset, piece.bytes, digest))
        return ShardedBlob(len(weights), tuple(shards))
