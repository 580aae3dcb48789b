"""The status page as a person sees it: in a headless Chromium, on a desk and on a telephone, light and dark.

What is wrong must be seen at a glance: in words, above the fold, with what to do. `SCREENSHOTS=DIR` keeps the pictures.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from shipper.admin.server import Admin
from shipper.config import AdminConfig
from shipper.events import Events
from shipper.status import ConfigStatus, Status
from shipper.tap import Taps
from tests.unit.test_admin import FILE, FINE, SOURCE, Pump, changed

CHROMIUM = shutil.which("chromium")
expect.set_options(timeout=60_000)  # for a busy machine: what comes ends the wait
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium; on Debian: apt-get install chromium")

BAD = changed(
    FINE,
    trouble="kafka1:9094: the credentials were refused (SASL authentication error); see kafka.sasl",
    state="degraded",
    sources=[
        SOURCE,
        msgspec.structs.replace(
            SOURCE,
            name="billing",
            unread=2_113_004_112,
            problem="blocked: record of 1.4 MB over the topic's limit at 2,113,004,112 of /var/log/billing/app.log",
            remedy="shipper deadletter list",
            problem_since=FINE.at - 41 * 60,
        ),
        msgspec.structs.replace(SOURCE, name="api", unread=2_100_000_000, deadlettered=3, lost=4096, lag=750.0),
    ],
    files=[
        msgspec.structs.replace(
            FILE,
            source="api",
            path="/var/log/api/" + "a-rather-long-directory/" * 4 + "app.log",
            seen_as="/var/log/api/" + "a-rather-long-directory/" * 4 + "app.log.1",
            size=3_000_000_000,
            acked=900_000_000,
            unread=2_100_000_000,
        ),
        msgspec.structs.replace(
            FILE, path="/var/log/<script>alert(1)</script>.log", seen_as="/var/log/<script>alert(1)</script>.log"
        ),
    ],
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*quiet, "--disable-sync", "--no-first-run"])
        yield opened
        opened.close()


class Daemon:
    """A daemon's admin endpoint that says what a test lets it say."""

    def __init__(self, root: Path) -> None:
        self.status: Status = FINE
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        events = Events(lambda *_: None)
        self._admin = Admin(root, lambda: Pump(self.status), lambda: self.status.config, Taps(events), events)
        self._admin.configure(AdminConfig(listen=self.address))

    def close(self) -> None:
        self._admin.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.close()


@contextmanager
def opened(
    browser: Browser, daemon: Daemon, *, width: int = 1280, dark: bool = False, script: bool = True
) -> Iterator[Page]:
    """Open the page; at its end nothing may have been asked of anybody else, and nothing complained of."""
    with browser.new_context(
        viewport={"width": width, "height": 844},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
    ) as context:
        page = context.new_page()
        faults: list[str] = []
        page.on("request", lambda asked: faults.append(asked.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text))
        page.goto(f"http://{daemon.address}/")
        yield page
        assert [one for one in faults if not one.startswith((f"http://{daemon.address}/", "data:"))] == []


def picture(page: Page, name: str) -> None:
    if kept := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{kept}/{name}.png")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_what_is_wrong_is_seen_at_a_glance(browser: Browser, daemon: Daemon, width: int, dark: bool) -> None:
    daemon.status = BAD
    with opened(browser, daemon, width=width, dark=dark) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("✗ shipper on web-3 needs you")
        for words in (
            "the credentials were refused",
            "billing, for 41 min: blocked: record of 1.4 MB",
            "shipper deadletter list",
        ):
            seen = page.get_by_text(words).first
            expect(seen).to_be_visible()
            expect(seen).to_be_in_viewport()
        expect(page.get_by_text("2.1 GB").first).to_be_visible()  # how far behind the lagging source is
        assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing beyond the edge
        assert page.title() == "✗ shipper · web-3"
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, background.removeprefix("rgb(").rstrip(")").split(","))) < 384) == dark
        picture(page, f"wrong-{width}-{'dark' if dark else 'light'}")


def test_a_lagging_file_and_a_refused_configuration_are_seen(browser: Browser, daemon: Daemon) -> None:
    refused = ConfigStatus(now=1000.0, since=1.0, refused_at=940.0, problems=["shipper.toml: kafka.linger: no"])
    daemon.status = changed(BAD, trouble="", state="running", config=refused)
    with opened(browser, daemon, width=390) as page:
        for words in ("api: /var/log/api/", "2.1 GB to read, lines have waited for 12 min", "was refused 1 min ago"):
            expect(page.get_by_text(words).first).to_be_visible()
        picture(page, "lag-390")


def test_it_follows_the_daemon_and_draws_its_charts(browser: Browser, daemon: Daemon) -> None:
    with opened(browser, daemon) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("✓ shipper on web-3 runs; all is well")
        expect(page.get_by_role("img")).to_have_count(3)
        picture(page, "well-1280-light")
        daemon.status = changed(
            FINE, at=FINE.at + 2, sources=[msgspec.structs.replace(SOURCE, delivered=SOURCE.delivered + 20_000)]
        )
        expect(page.get_by_text("10,000").first).to_be_visible()  # lines a second
        daemon.status = BAD
        expect(page.get_by_role("heading", level=1)).to_have_text("✗ shipper on web-3 needs you")


def test_without_javascript_the_text_is_there(browser: Browser, daemon: Daemon) -> None:
    daemon.status = BAD
    with opened(browser, daemon, script=False) as page:
        expect(page.get_by_text("brokers away").first).to_be_visible()
        expect(page.get_by_text("shipper deadletter list").first).to_be_visible()
