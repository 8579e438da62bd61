"""Compiling for ONNX Runtime Web: a graph file without weights, and one blob of weights.

The blob, ``weights.bin``:

1. Tensors lie in the order of the graph's initialisers, each at a multiple of 64 bytes (a cache
   line, and more than any SIMD load asks for); gaps are zeros.
2. Little-endian, row-major, in the tensor's own dtype: what ONNX external data means by raw data.
3. Tensors of at most 256 bytes and small integer tensors stay inside the graph: they are shapes,
   axes and scalars, which the runtime must know before it sees the weights.

Equal models give equal bytes: nothing of time, path or library version enters the files.
"""

from dataclasses import dataclass, replace

import onnx_ir as ir

from extbuild.artifacts import CompiledModel, CompressedModel, OrtFiles
from extbuild.compile.coverage import check_coverage
from extbuild.compile.gpu import gpu_forms, without_lookups
from extbuild.errors import CompileError, ContractError
from extbuild.ort import RUNTIME_ERRORS, WEIGHTS_LOCATION, Session

ALIGNMENT_BYTES = 64
MAX_INLINE_BYTES = 256
MAX_INLINE_INTEGER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Packed:
    """A serialised graph and the weights that it points into."""

    graph: bytes
    weights: bytes


def compile_for_ort(compressed: CompressedModel, *, gpu: bool = False) -> CompiledModel:
    """One model for ONNX Runtime Web alone, proved by loading it.

    With ``gpu`` in both forms of compile/gpu.py. Raises CompileError for
    an operator that ONNX Runtime Web lacks, or a graph that onnxruntime refuses.
    """
    name = compressed.source.name
    operators = check_coverage(name, compressed.graph)
    graph = compressed.graph
    files = _for_gpus(graph) if gpu else _files(pack(without_lookups(graph)))
    compiled = CompiledModel(
        name=name,
        task=compressed.source.task,
        tokenizer_json=compressed.source.tokenizer_json,
        operators=operators,
        engine=None,
        ort=files,
        golden=b"",
    )
    session_from(name, files)
    return compiled


def _files(packed: Packed) -> OrtFiles:
    return OrtFiles(packed.graph, None, packed.weights)


def _for_gpus(model: ir.Model) -> OrtFiles:
    """Two graphs, if the model has anything to compute in float16, and their one blob."""
    forms = gpu_forms(model)
    files = _files(pack(forms.single))
    if forms.half is None:
        return files
    half = pack(forms.half)
    if half.weights != files.weights:
        raise ContractError("the forms of a model for GPUs have different weights")
    return replace(files, graph_f16=half.graph)


def session_from(name: str, files: OrtFiles, *, threads: int = 1) -> Session:
    """Load the packed bytes of the model called ``name``; CompileError if onnxruntime refuses."""
    try:
        return Session(files.graph, files.weights, threads=threads)
    except RUNTIME_ERRORS as error:
        raise CompileError(
            f"{name}: graph",
            "must load in onnxruntime",
            found=str(error).strip().split("\n")[0],
            do="export the model again with opset 21 or lower",
        ) from error


def pack(model: ir.Model) -> Packed:
    """Move the weights of a graph into one blob. ``model`` stays as it is."""
    copy = model.clone()
    copy.producer_name, copy.producer_version, copy.doc_string = "extbuild", None, None
    copy.metadata_props.clear()
    copy.graph.metadata_props.clear()
    for node in copy.graph.all_nodes():
        node.doc_string = None
        node.metadata_props.clear()
    blob = bytearray()
    for name, value in copy.graph.initializers.items():
        tensor = value.const_value
        if tensor is None or _stays_inline(tensor):
            continue
        blob.extend(bytes(-len(blob) % ALIGNMENT_BYTES))
        data = tensor.tobytes()
        value.const_value = ir.ExternalTensor(
            WEIGHTS_LOCATION,
            len(blob),
            len(data),
            tensor.dtype,
            shape=ir.Shape(tensor.shape.numpy()),
            name=name,
        )
        blob.extend(data)
    graph = ir.to_proto(copy).SerializeToString(deterministic=True)
    return Packed(graph, bytes(blob))


def _stays_inline(tensor: ir.TensorProtocol) -> bool:
    if tensor.nbytes <= MAX_INLINE_BYTES:
        return True
    integers = (ir.DataType.INT64, ir.DataType.INT32)
    return tensor.dtype in integers and tensor.nbytes <= MAX_INLINE_INTEGER_BYTES
