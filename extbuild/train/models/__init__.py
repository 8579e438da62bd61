"""The two networks as small torch modules with Hugging Face tensor names."""
