"""Headless Chromium, as Debian packages it: what a reader sees of a page."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str:
    """Return Chromium's path; CI installs it if it is missing, a developer's run skips."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None and os.environ.get("CI") and os.geteuid() == 0 and (apt := shutil.which("apt-get")):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            subprocess.run([apt, *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium on this machine, for instance `apt-get install chromium`")
    return found


@contextmanager
def showing(url: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a page open in a browser of its own until the block ends."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            find(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            f"--user-data-dir={profile}", *arguments, url,
        ]  # fmt: skip
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield browser
        finally:
            browser.terminate()
            try:
                browser.wait(20)
            except subprocess.TimeoutExpired:
                browser.kill()
                browser.wait()


def screenshot(url: str, picture: Path, *, width: int, height: int, virtual_ms: int = 5000) -> None:
    """Take a picture of a page.

    :param virtual_ms: milliseconds of the page's own clock until the picture is taken.
    """
    options = (
        f"--window-size={width},{height}", "--hide-scrollbars", f"--screenshot={picture}",
        f"--virtual-time-budget={virtual_ms}",
    )  # fmt: skip
    with showing(url, *options) as browser:
        assert browser.wait(180) == 0
    assert picture.is_file()
