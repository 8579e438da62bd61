"""Firefox with temporary add-ons, driven by geckodriver."""

import json
import os
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from selenium.webdriver import Firefox as FirefoxDriver
from selenium.webdriver import FirefoxOptions, FirefoxService
from selenium.webdriver.support.wait import WebDriverWait

from extbuild.browsers.packages import gecko_id
from extbuild.browsers.programs import Programs
from extbuild.browsers.session import Browser, ColourScheme, Request

QUIET: dict[str, str | int | bool] = {
    # Port 9 is "discard" (RFC 863): nobody answers, so nothing leaves. Loopback is never proxied.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    # Silence: a browser that talks to its maker hides what an extension might say.
    "app.normandy.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.topsites.contile.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}

# With these Firefox takes a Vulkan driver that computes on the CPU, as Mesa's lavapipe, for a GPU.
SOFTWARE_GPU = (
    "dom.webgpu.enabled",
    "dom.webgpu.workers.enabled",
    "gfx.webgpu.ignore-blocklist",
)

# http-on-opening-request is told of every HTTP channel of every process before it is opened, with
# the principal that triggered it; an extension's is its moz-extension origin.
RECORD = """
window.extbuildRequests = [];
window.extbuildObserver = {
  observe(subject) {
    const channel = subject.QueryInterface(Ci.nsIHttpChannel);
    const principal = channel.loadInfo.triggeringPrincipal;
    const client = principal && !principal.isSystemPrincipal ? principal.originNoSuffix : "";
    window.extbuildRequests.push([channel.URI.spec, client]);
  },
};
Services.obs.addObserver(window.extbuildObserver, "http-on-opening-request");
"""

SUSPEND = """
const [id, done] = arguments;
WebExtensionPolicy.getByID(id).extension
  .terminateBackground({ ignoreDevToolsAttached: true, disableResetIdleForTest: true })
  .then(() => done(null), (error) => done(String(error)));
"""


class Firefox(Browser):
    """A running Firefox."""

    target = "firefox"

    def __init__(
        self,
        driver: FirefoxDriver,
        packages: Sequence[Path],
        ids: Sequence[str],
        origins: Sequence[str],
        resources: ExitStack,
        requests: Sequence[Request],
    ) -> None:
        super().__init__(driver, origins, resources, requests)
        self._firefox = driver
        self._packages = packages
        self._ids = ids

    def stop_background(self) -> None:
        """Suspend the event page, with its worker, as after an idle timeout."""
        with self._firefox.context(FirefoxDriver.CONTEXT_CHROME):
            error = self._firefox.execute_async_script(SUSPEND, self._ids[0])
        if error:
            raise RuntimeError(f"Firefox did not suspend the event page: {error}")

    def update(self) -> None:
        """Install the same archive once more."""
        self._firefox.install_addon(str(self._packages[0]), temporary=True)

    def prefer_colours(self, scheme: ColourScheme) -> None:
        """Override the content colour scheme, for every tab of this browser."""
        name = "layout.css.prefers-color-scheme.content-override"
        with self._firefox.context(FirefoxDriver.CONTEXT_CHROME):
            self._firefox.execute_script(
                "Services.prefs.setIntPref(arguments[0], arguments[1])",
                name,
                ("dark", "light").index(scheme),
            )
        # The preference reaches the tab's process by a message of its own.
        matches = f"return matchMedia('(prefers-color-scheme: {scheme})').matches"
        WebDriverWait(self._firefox, 10, 0.02).until(
            lambda driver: driver.execute_script(matches), f"the tab did not turn {scheme} in 10 s"
        )


def start_firefox(
    programs: Programs, packages: Sequence[Path], *, record_requests: bool, software_gpu: bool
) -> Firefox:
    """Start Firefox and install ``packages`` as temporary add-ons."""
    ids = [gecko_id(package) for package in packages]
    # Firefox makes a new UUID for each profile; ours are pinned so that pages have addresses.
    uuids = {identifier: str(uuid.uuid5(uuid.NAMESPACE_URL, identifier)) for identifier in ids}
    with ExitStack() as stack:
        # geckodriver leaves a copy of every installed archive in TMPDIR: this one goes with us.
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="extbuild-firefox-"))
        options = FirefoxOptions()
        options.binary_location = str(programs.browser)
        for argument in ("-headless", "--width=1100", "--height=800"):
            options.add_argument(argument)
        for name in SOFTWARE_GPU if software_gpu else ():
            options.set_preference(name, True)
        pinned = {"extensions.webextensions.uuids": json.dumps(uuids)}
        for name, value in {**QUIET, **pinned}.items():
            options.set_preference(name, value)
        service = FirefoxService(
            str(programs.driver),
            service_args=["--allow-system-access"],
            env={**os.environ, "TMPDIR": home},
        )
        driver = FirefoxDriver(options=options, service=service)
        stack.callback(driver.quit)
        requests: list[Request] = []
        if record_requests:
            with driver.context(FirefoxDriver.CONTEXT_CHROME):
                driver.execute_script(RECORD)
            stack.callback(lambda: requests.extend(_recorded(driver)))
        for package in packages:
            driver.install_addon(str(package), temporary=True)
        origins = [f"moz-extension://{uuids[identifier]}" for identifier in ids]
        return Firefox(driver, packages, ids, origins, stack.pop_all(), requests)


def _recorded(driver: FirefoxDriver) -> list[Request]:
    with driver.context(FirefoxDriver.CONTEXT_CHROME):
        rows = driver.execute_script("return window.extbuildRequests")
    return [Request(url, client) for url, client in rows]
