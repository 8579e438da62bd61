"""Chromium with unpacked extensions, driven by chromedriver."""

import hashlib
import json
import os
import tempfile
import zipfile
from base64 import b64decode
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.support.wait import WebDriverWait

from extbuild.browsers.engine import SILENT_PAGE
from extbuild.browsers.packages import read_manifest
from extbuild.browsers.programs import Programs
from extbuild.browsers.session import Browser, ColourScheme, Request

# Silence: a browser that talks to its maker hides what an extension might say.
QUIET = (
    "--disable-background-networking",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-features=MediaRouter,OptimizationHints,Translate,AutofillServerCommunication",
    "--disable-quic",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    # Port 9 is "discard" (RFC 863): nobody answers, so nothing leaves. Loopback is never proxied.
    "--proxy-server=http://127.0.0.1:9",
)
OFFSCREEN = "background_page"  # the DevTools target type of an offscreen document
WINDOW = ("--force-device-scale-factor=1", "--window-size=1100,800", "--hide-scrollbars")


class Chromium(Browser):
    """A running Chromium."""

    target = "chrome"

    def __init__(
        self,
        driver: Chrome,
        origins: Sequence[str],
        resources: ExitStack,
        requests: Sequence[Request],
    ) -> None:
        super().__init__(driver, origins, resources, requests)
        self._chrome = driver

    def _contexts(self, kind: str) -> set[str]:
        """DevTools target ids of the contexts of a kind that the first extension runs now."""
        targets = self._chrome.execute_cdp_cmd("Target.getTargets", {})["targetInfos"]
        return {
            target["targetId"]
            for target in targets
            if target["url"].startswith(self.origin + "/") and target["type"] == kind
        }

    def stop_background(self) -> None:
        """Close service worker and offscreen document by their DevTools targets.

        Others may take their place at once, where a page has something to ask. A service worker
        has the same target id when it is started again, so only the document, which holds the
        models, can be seen to be gone.
        """
        documents = self._contexts(OFFSCREEN)
        for target_id in (*self._contexts("service_worker"), *documents):
            self._chrome.execute_cdp_cmd("Target.closeTarget", {"targetId": target_id})
        WebDriverWait(self._chrome, 10, 0.02).until(
            lambda _: documents.isdisjoint(self._contexts(OFFSCREEN)),
            "the extension's offscreen document did not end in 10 s",
        )

    def crash_gpu(self) -> None:
        """End the process that drives the GPU, as a broken driver does; another is started."""
        self._chrome.execute_cdp_cmd("Browser.crashGpuProcess", {})

    def update(self) -> None:
        """Reload the extension, which orphans the scripts in open pages, as an update does.

        Chromium closes the extension's own tabs with it; work goes on in the first one left.
        """
        before = set(self._chrome.window_handles)
        own = self.new_tab()
        self._chrome.get(self.url(SILENT_PAGE))
        # Later, so that the command is answered before its page is gone.
        self._chrome.execute_script("setTimeout(() => chrome.runtime.reload())")
        WebDriverWait(self._chrome, 10, 0.02).until(
            lambda driver: own not in driver.window_handles, "the extension did not reload in 10 s"
        )
        left = before.intersection(self._chrome.window_handles)
        self._chrome.switch_to.window(sorted(left)[0])

    def prefer_colours(self, scheme: ColourScheme) -> None:
        """Emulate the media feature in the current tab."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def start_chromium(
    programs: Programs, packages: Sequence[Path], *, record_requests: bool, software_gpu: bool
) -> Chromium:
    """Start Chromium with ``packages``, each unpacked afresh from its archive."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="extbuild-chromium-")))
        directories = [
            _unpacked(package, home / f"extension-{index}")
            for index, package in enumerate(packages)
        ]
        net_log = home / "net-log.json" if record_requests else None
        options = ChromeOptions()
        options.binary_location = str(programs.browser)
        listed = ",".join(map(str, directories))
        for argument in ("--headless=new", *QUIET, *WINDOW):
            options.add_argument(argument)
        if listed:
            options.add_argument(f"--load-extension={listed}")
        if software_gpu:  # Chromium brings its own, and hides it from WebGPU
            options.add_argument("--enable-unsafe-webgpu")
        if os.geteuid() == 0:  # Chromium refuses to sandbox as root
            options.add_argument("--no-sandbox")
        if net_log:
            options.add_argument(f"--log-net-log={net_log}")
        service = ChromeService(str(programs.driver), env={**os.environ, "TMPDIR": str(home)})
        requests: list[Request] = []
        if net_log:  # complete only once Chromium has ended, which the callback after this one does
            stack.callback(lambda: requests.extend(read_net_log(net_log)))
        driver = Chrome(options=options, service=service)
        stack.callback(driver.quit)
        origins = [f"chrome-extension://{extension_id(directory)}" for directory in directories]
        return Chromium(driver, origins, stack.pop_all(), requests)


def _unpacked(package: Path, directory: Path) -> Path:
    """``package`` itself if it is a directory, else its contents in ``directory``."""
    if package.is_dir():
        return package.resolve()
    with zipfile.ZipFile(package) as archive:
        archive.extractall(directory)
    return directory.resolve()


def extension_id(directory: Path) -> str:
    """The id that Chromium gives an unpacked extension.

    The first 128 bits of the SHA-256 of its public key, or of its absolute path where the manifest
    has no ``key``, one letter a..p for each half byte (components/crx_file/id_util.cc).
    """
    key = read_manifest(directory).get("key")
    seed = b64decode(key) if isinstance(key, str) else str(directory).encode()
    return "".join(
        chr(ord("a") + int(digit, 16)) for digit in hashlib.sha256(seed).hexdigest()[:32]
    )


def read_net_log(file: Path) -> tuple[Request, ...]:
    """The requests in a log written with ``--log-net-log``.

    Exact, because every URL request of every process passes the one network service that writes
    the log, and carries the origin that initiated it; ``not an origin`` is the browser itself.
    Packaged files (``chrome-extension:``) never reach that service.
    """
    log = json.loads(file.read_text())
    start = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    events = [event.get("params", {}) for event in log["events"] if event["type"] == start]
    return tuple(
        Request(
            url=params["url"],
            client=""
            if params.get("initiator", "not an origin") == "not an origin"
            else params["initiator"],
        )
        for params in events
        if "url" in params
    )
