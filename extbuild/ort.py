"""The one door to onnxruntime: sessions from bytes in memory, made the same way everywhere.

What is judged must be what is shipped, so a session is opened on the packed graph and weights and
never on a file beside them.
"""

from collections.abc import Mapping

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as _state

WEIGHTS_LOCATION = "weights.bin"
"""The external-data location that packed graphs name; the extension mounts its buffer there."""

Array = NDArray[np.generic]
RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    _state.Fail,
    _state.InvalidArgument,
    _state.InvalidGraph,
    _state.InvalidProtobuf,
    _state.NotImplemented,
    _state.RuntimeException,
)
"""What onnxruntime raises for a graph that it cannot load; they share no base of their own."""


class Session:
    """A loaded model: named arrays in, arrays out in the order of the graph's outputs."""

    def __init__(
        self, graph: bytes, weights: bytes = b"", *, threads: int = 1, exact: bool = True
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Without VNNI, x64 kernels for u8 x s8 saturate in 16 bits; WebAssembly's do not. This
        # entry makes onnxruntime take the exact kernels, so both give the same numbers. They are
        # slower than the others: whoever measures speed turns them off.
        if exact:
            options.add_session_config_entry("session.x64quantprecision", "1")
        if weights:
            options.add_external_initializers_from_files_in_memory(
                [WEIGHTS_LOCATION], [weights], [len(weights)]
            )
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self.inputs: tuple[str, ...] = tuple(value.name for value in self._session.get_inputs())
        self.outputs: tuple[str, ...] = tuple(value.name for value in self._session.get_outputs())

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Every output of the graph, in order."""
        arrays: list[Array] = self._session.run(None, dict(feeds))
        return arrays
