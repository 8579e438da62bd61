"""Configuration: read once, checked once, frozen ever after."""
