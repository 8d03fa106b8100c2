"""Debian's Chromium, and what a page does in it that it must not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests import debian

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str:
    """Return the path of a Chromium; Debian's is installed if there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        debian.install("chromium", why="These tests click in Chromium, and there is none")
        found = shutil.which("chromium")
    assert found is not None, "there is no Chromium, and apt-get installed none"
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root, which containers are.
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Watch:
    """What a page asks of other hosts, what its policy has blocked, and what a hostile prompt has opened.

    :param page: the page, before its first address is opened.
    :param base_url: of the Airflow that it may ask.
    """

    def __init__(self, page: Page, base_url: str) -> None:
        self._host = urlsplit(base_url).netloc
        self.foreign: list[str] = []
        self.blocked: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", self._on_request)
        page.on("console", self._on_console)
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        # Airflow's own pages may ask elsewhere; the gallery's may not.
        inside = "/kling/" in (request.frame.url if request.frame else "")
        if inside and parts.scheme in {"http", "https"} and parts.netloc != self._host:
            self.foreign.append(request.url)

    def _on_console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text and "/kling/" in f"{message.text}{message.location}":
            self.blocked.append(message.text)
