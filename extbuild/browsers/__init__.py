"""Real browsers with the built extension in them, for end-to-end tests and for measurements.

``find_programs`` answers which browser and driver to run, ``start`` runs them. Nothing a browser
started here asks for can leave the machine: it is given a proxy that does not exist.
"""

from extbuild.browsers.programs import Programs, find_programs
from extbuild.browsers.session import Browser, ColourScheme, Request
from extbuild.browsers.start import start

__all__ = ["Browser", "ColourScheme", "Programs", "Request", "find_programs", "start"]
