"""extbuild: turns small language models into a Manifest V3 extension for Chrome and Firefox."""
