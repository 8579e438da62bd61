"""Judging a model: figures, fixtures and the gate between compression steps."""
