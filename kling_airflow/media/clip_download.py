"""A clip fetched from the queue's address of it, or from a fresh one if that has expired.

Stores name an expired address in many ways: 400 with a code, 403, 404, 410, or a page with status 200.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

from kling_airflow.clip import Clip
from kling_airflow.errors import DownloadFailed, InvalidClip, KlingError
from kling_airflow.media.download import Downloaded, DownloadLimits, download
from kling_airflow.media.file_kinds import FileKind
from kling_airflow.media.file_type import HEAD_BYTES, describe_file, detect_file_type
from kling_airflow.media.http_address import plain_url
from kling_airflow.redaction import without_signatures

if TYPE_CHECKING:
    from kling_airflow.media.http_connection import AddressGuard

log = logging.getLogger(__name__)

# What is damaged or unknown is for the check of the clip to name. A placeholder picture, a page, also a
# packed one, is what services show for an address that has expired.
_MAY_BE_A_CLIP = (FileKind.VIDEO, FileKind.AUDIO, FileKind.DAMAGED, FileKind.UNKNOWN)


def fetch(
    clip: Clip,
    path: Path,
    limits: DownloadLimits,
    renew: Callable[[], str] | None,
    guard: AddressGuard | None,
) -> Downloaded:
    """Fetch a clip into a local file.

    :param path: the file; its content is replaced.
    :param limits: of the download; a fresh address has the whole time again.
    :param renew: asks the queue for the clip's address again; None if the queue can't be asked.
    :param guard: which hosts may be connected to; None for any.
    :raises DownloadFailed: the clip didn't arrive.
    :raises InvalidClip: something else arrived, such as a page.
    """
    began = time.monotonic()
    downloaded, why = None, ""
    if clip.video_url:
        downloaded, why = _from_known_address(clip, path, limits, renew, guard)
    if downloaded is None:
        if renew is None:
            raise DownloadFailed(f"The clip of request {clip.request_id} has no video_url.", retryable=False)
        url = _renewed(renew, why)
        downloaded = _download(url, path, limits, guard)
        if why := _not_a_clip(url, path, downloaded):
            raise InvalidClip(why)
    log.info(
        "Fetched %d bytes in %.1f s, cut off %d times, sha256 %s.",
        downloaded.bytes,
        time.monotonic() - began,
        downloaded.interruptions,
        downloaded.sha256,
    )
    return downloaded


def _from_known_address(
    clip: Clip,
    path: Path,
    limits: DownloadLimits,
    renew: Callable[[], str] | None,
    guard: AddressGuard | None,
) -> tuple[Downloaded | None, str]:
    """Fetch from the address that the clip carries; None, and why, if a fresh one has to be asked for."""
    url = str(clip.video_url)
    try:
        downloaded = _download(url, path, limits, guard)
    except DownloadFailed as error:
        if renew is None or not error.gone:
            raise
        why = error.what
    else:
        why = _not_a_clip(url, path, downloaded)
        if not why:
            return downloaded, ""
        if renew is None:
            raise InvalidClip(why)
    log.warning("%s The queue is asked for the clip of request %s again.", why, clip.request_id)
    return None, why


def _renewed(renew: Callable[[], str], why: str) -> str:
    """Return a fresh address; an error of asking for it also says why it was asked for."""
    try:
        return renew()
    except KlingError as error:
        twin = copy(error)
        twin.what = f"{why} {error.what}".strip()
        twin.args = (twin.text(),)
        raise twin from error.__cause__


def _download(url: str, path: Path, limits: DownloadLimits, guard: AddressGuard | None) -> Downloaded:
    with path.open("wb") as sink:
        return download(url, sink, limits, guard=guard)


def _not_a_clip(url: str, path: Path, downloaded: Downloaded) -> str:
    """Return what came in place of a clip, "" if it may be one."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if detect_file_type(head).kind in _MAY_BE_A_CLIP:
        return ""
    known = f"Content-Type {downloaded.content_type or 'not given'}, {downloaded.bytes:,} bytes"
    return f"{plain_url(url)} shows {without_signatures(describe_file(head))} ({known}), not a clip."
