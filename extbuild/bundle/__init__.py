"""Putting the unpacked extension together: manifest, runtime description, scripts and assets."""
