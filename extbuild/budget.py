"""The size limit of a recipe: where the bytes are, and what would make them fewer."""

import onnx

from extbuild.compile.run import ort_files
from extbuild.errors import QualityError
from extbuild.files import human_bytes
from extbuild.prepare import PreparedModel

_LARGEST = 3


def require_budget(model: PreparedModel) -> None:
    """A `QualityError` with the largest parts if `model` is larger than its recipe allows."""
    recipe = model.entry.recipe
    limit = recipe.budget.max_packed_bytes
    if model.packed_bytes <= limit:
        return
    parts = ", ".join(f"{name} {human_bytes(size)}" for name, size in model.parts.items())
    largest = ", ".join(
        f"{name} {human_bytes(size)}"
        for name, size in largest_weights(ort_files(model.reference).graph)[:_LARGEST]
    )
    used = {spec.name for spec in recipe.passes}
    if "block_4bit" not in used:
        help_text = "add the pass block_4bit, "
    else:
        help_text = "skip fewer weights, " if any(_skips(recipe.passes)) else ""
    compiled = model.compiled
    if compiled.engine is not None and compiled.ort is not None:
        help_text += 'pack it once with runtime.webgpu = "never", '
    raise QualityError(
        f"{model.entry.place}: budget.max_packed_bytes",
        f"the packed model must fit in {limit} bytes ({human_bytes(limit)})",
        found=f"{model.packed_bytes} bytes ({parts}; largest weights: {largest})",
        do=f"{help_text}train a smaller model, or raise the budget",
    )


def largest_weights(graph: bytes) -> list[tuple[str, int]]:
    """(name, bytes) of a weightless graph's external weights, the largest first."""
    model = onnx.load_model_from_string(graph)
    sizes = []
    for tensor in model.graph.initializer:
        external = {entry.key: entry.value for entry in tensor.external_data}
        if "length" in external:
            sizes.append((tensor.name, int(external["length"])))
    return sorted(sizes, key=lambda pair: (-pair[1], pair[0]))


def _skips(passes: tuple[object, ...]) -> list[bool]:
    return [bool(getattr(spec, "skip", ())) for spec in passes]
