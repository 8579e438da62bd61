"""Lowering: a graph becomes a Program for the engine, if it computes what the engine can.

::

    interpreter.py   follows the graph; values.py says what a value can mean
      known_nodes.py, evaluate.py, probes.py   what depends on sizes and positions: computed
      layout_nodes.py, join_nodes.py, axes.py  what only rearranges: costs nothing
      embedding.py, products.py, row_nodes.py, norm_nodes.py, score_nodes.py, attention.py,
      pooling.py, rotary.py                    what becomes operations
      rowfunctions.py                          activations and norms, recognised by their values
      state.py, settle.py                      what was found out; completing what is half done
    steps.py         the operations found, each making a new value
    fuse.py          operations that one kernel does together
    slots.py, matrices.py, blob.py             places for values and weights
    lowering.py      all of it, and the result

Nodes are never matched by name or order. Masks, positions and rotations are compared with what the
engine does in a few concrete runs; functions of a row are compared by their values. So a form that
nobody thought of lowers too, and one that only looks right does not.
"""

from extbuild.compile.lower.lowering import Lowered, NotLowered, arena_bytes, lower

__all__ = ["Lowered", "NotLowered", "arena_bytes", "lower"]
