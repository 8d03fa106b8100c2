"""Debian's packages that a suite needs: installed if they are missing and this is root's own machine."""

from __future__ import annotations

import os
import shutil
import subprocess


def install(*packages: str, why: str) -> None:
    """Install Debian's packages, without what they only recommend.

    :param why: what needs them; for the message.
    :raises RuntimeError: where that can't be done; the text says what to install by hand.
    """
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise RuntimeError(
            f"{why}. Install it, e.g. `sudo apt-get install {' '.join(packages)}`,"
            " or run this as root on Debian."
        )
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        subprocess.run([apt, *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)
