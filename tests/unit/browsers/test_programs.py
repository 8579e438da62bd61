from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from extbuild.browsers.programs import PAIRS, Programs, ThisMachine, find_programs
from extbuild.errors import ToolError
from extbuild.process import Finished


@dataclass
class FakeMachine:
    """A computer on which ``programs`` lie in PATH and ``debian`` packages bring more."""

    programs: set[str] = field(default_factory=set)
    variables: dict[str, str] = field(default_factory=dict)
    debian: dict[str, str] = field(default_factory=dict)
    managed: Programs | None = None
    asked: list[str] = field(default_factory=list)

    def variable(self, name: str) -> str | None:
        return self.variables.get(name)

    def which(self, name: str) -> Path | None:
        return Path("/bin", name) if name in self.programs else None

    def apt_install(self, packages: Sequence[str]) -> bool:
        self.asked += [f"apt {package}" for package in packages]
        self.programs |= {self.debian[package] for package in packages if package in self.debian}
        return bool(self.debian)

    def selenium_manager(self, name: str, browser: Path | None) -> Programs | None:
        self.asked.append(f"manager {name} {browser}")
        return self.managed


def test_programs_in_path_are_taken_without_asking_anybody() -> None:
    machine = FakeMachine({"chromium", "chromedriver"})
    assert find_programs("chrome", machine) == Programs(
        Path("/bin/chromium"), Path("/bin/chromedriver")
    )
    assert machine.asked == []


def test_the_environment_goes_before_path() -> None:
    machine = FakeMachine(
        {"firefox", "geckodriver", "my-gecko"}, variables={"SE_GECKODRIVER": "my-gecko"}
    )
    assert find_programs("firefox", machine).driver == Path("/bin/my-gecko")


def test_a_variable_that_names_no_program_is_an_error_and_not_passed_over() -> None:
    machine = FakeMachine({"firefox", "geckodriver"}, variables={"SE_GECKODRIVER": "/gone"})
    with pytest.raises(ToolError, match="SE_GECKODRIVER: must be the path of a program, got /gone"):
        find_programs("firefox", machine)


def test_debian_is_asked_only_for_what_is_missing() -> None:
    machine = FakeMachine({"chromium"}, debian={"chromium-driver": "chromedriver"})
    assert find_programs("chrome", machine).driver == Path("/bin/chromedriver")
    assert machine.asked == ["apt chromium-driver"]


def test_selenium_manager_fills_what_debian_does_not_have() -> None:
    managed = Programs(Path("/cache/firefox"), Path("/cache/geckodriver"))
    machine = FakeMachine(debian={"firefox-esr": "firefox-esr"}, managed=managed)
    assert find_programs("firefox", machine) == Programs(
        Path("/bin/firefox-esr"), Path("/cache/geckodriver")
    )
    assert machine.asked == ["apt firefox-esr", "manager firefox /bin/firefox-esr"]


@pytest.mark.parametrize(
    ("programs", "message"),
    [
        (set(), "chromium: must be installed .* install chromium, or set EXTBUILD_CHROMIUM"),
        ({"chromium"}, "chromedriver: must be installed .* install chromium-driver, or set SE_CH"),
    ],
)
def test_with_no_way_left_the_error_says_what_to_install(programs: set[str], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        find_programs("chrome", FakeMachine(programs))


def test_branded_chrome_is_not_taken_because_it_ignores_unpacked_extensions() -> None:
    assert not any("google" in name for name in PAIRS["chrome"].browser.names)


def test_a_failing_apt_get_is_the_persons_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)

    def run(argv: Sequence[str], **_: object) -> Finished:
        return Finished(100, "", "E: Unable to locate package chromium")

    machine = ThisMachine(run)
    monkeypatch.setattr(ThisMachine, "which", lambda _, name: Path("/bin", name))
    with pytest.raises(ToolError, match="Unable to locate package"):
        machine.apt_install(["chromium"])
