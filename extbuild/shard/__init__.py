"""Weights as files of a bounded size, each with its hash, together without holes."""
