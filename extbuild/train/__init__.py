"""Training of the two models from the shared data (extra `train`)."""
