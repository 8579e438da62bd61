"""How the interpreter says that it does not know a graph."""


class RefusalError(Exception):
    """A node has no place in a Program; the text completes a sentence about the node."""
