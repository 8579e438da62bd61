"""Entry point of `python -m extbuild.train`."""

import sys

from extbuild.train.cli import main

sys.exit(main(sys.argv[1:]))
