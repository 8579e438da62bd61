"""The browsers: what differs between them, as values."""

from extbuild.artifacts import TargetName
from extbuild.targets.base import Target
from extbuild.targets.chrome import CHROME
from extbuild.targets.firefox import FIREFOX

TARGETS: dict[TargetName, Target] = {"chrome": CHROME, "firefox": FIREFOX}
