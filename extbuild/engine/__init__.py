"""The engine of the extension in Python: the very files that ship, run by wasmtime."""
