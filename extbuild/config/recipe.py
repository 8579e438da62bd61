"""``models/<name>/recipe.toml``: what is done to one model, and what must still hold afterwards."""

from typing import Annotated, Literal

from pydantic import Field

from extbuild.artifacts import Task
from extbuild.config.runtime import Frozen, WebGpu

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
BlockSize = Literal[32, 64, 128]


class FoldConstants(Frozen):
    """Replace nodes whose inputs are all constant by their value."""

    name: Literal["fold_constants"]


class TieEmbeddings(Frozen):
    """Store an embedding table and an equal output head once."""

    name: Literal["tie_embeddings"]


class DynamicInt8(Frozen):
    """Signed int8 weights per output channel, activations quantised at run time.

    ``skip`` holds names (or fnmatch patterns) of weights that stay as they are; ``embeddings``
    also stores embedding tables as int8 rows. With ``weight_bits = 7`` values of products stay
    within -63..63, the form for which relaxed SIMD has its fastest instruction.
    """

    name: Literal["dynamic_int8"]
    weight_bits: Literal[7, 8] = 8
    skip: tuple[str, ...] = ()
    embeddings: bool = True


class Block4Bit(Frozen):
    """4-bit weights in blocks of ``block`` values along the input dimension."""

    name: Literal["block_4bit"]
    block: BlockSize = 32
    skip: tuple[str, ...] = ()


class Block8Bit(Frozen):
    """8-bit weights in blocks of ``block`` values along the input dimension."""

    name: Literal["block_8bit"]
    block: BlockSize = 32
    skip: tuple[str, ...] = ()


class Float16(Frozen):
    """Store the float32 weights that are left as float16."""

    name: Literal["float16"]
    skip: tuple[str, ...] = ()


PassSpec = Annotated[
    FoldConstants | TieEmbeddings | DynamicInt8 | Block4Bit | Block8Bit | Float16,
    Field(discriminator="name"),
]


class Budget(Frozen):
    """Hard limit on graph, tokenizer and shards together, in bytes."""

    max_packed_bytes: Annotated[int, Field(gt=0)]


class Gate(Frozen):
    """How much worse one metric may be after compression, in the metric's own unit.

    ``max_drop`` for metrics where more is better, ``max_rise`` where less is. One of the two.
    """

    max_drop: Annotated[float, Field(ge=0.0)] | None = None
    max_rise: Annotated[float, Field(ge=0.0)] | None = None


class ModerationPolicy(Frozen):
    """Decisions from probabilities: thresholds per label, and limits of one run."""

    thresholds: dict[str, Probability]
    max_tokens: Annotated[int, Field(ge=8, le=512)] = 128
    batch_tokens: Annotated[int, Field(ge=64, le=8192)] = 512


class CompletionPolicy(Frozen):
    """When a suggestion is shown and how long it may be."""

    min_confidence: Probability
    context_tokens: Annotated[int, Field(ge=16, le=4096)] = 256
    max_new_tokens: Annotated[int, Field(ge=1, le=64)] = 12
    max_words: Annotated[int, Field(ge=1, le=32)] = 6


class RuntimePolicy(Frozen):
    """Where the model runs. ``webgpu``: never, where it measures faster, or wherever it is right.

    Anything but never packs the model for ONNX Runtime Web beside the engine's files.
    """

    webgpu: WebGpu = "never"


class Recipe(Frozen):
    """One recipe. ``name`` and ``task`` agree with the folder and the policy block given."""

    name: str
    task: Task
    source: str = "source"
    fixtures: str = "fixtures/eval.jsonl"
    passes: tuple[PassSpec, ...]
    budget: Budget
    gates: dict[str, Gate] = Field(default_factory=dict)
    runtime: RuntimePolicy = RuntimePolicy()
    moderation: ModerationPolicy | None = None
    completion: CompletionPolicy | None = None
