"""What an MP4 file holds whatever stands around it: the coded pictures and the coded sound, undecoded."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kling_airflow.media.clip_reader import opened
from kling_airflow.media.limits import MAX_CLIP_PIXELS


def packet_hash(path: Path, max_pixels: int = MAX_CLIP_PIXELS) -> str:
    """Return a hash of a clip's packets with their times, in the order of the file, in hex.

    Two files share it if their pictures and their sound are the same, coded alike. Nothing is decoded.

    :param path: of an MP4 file; of a damaged one, what can be read counts.
    :param max_pixels: of one picture; larger ones are refused.
    :raises InvalidClip: it is no clip.
    """
    import av

    digest = hashlib.sha256()
    with opened(path, max_pixels=max_pixels) as (container, _):
        try:
            for packet in container.demux():
                digest.update(f"{packet.stream_index} {packet.pts} {packet.dts} {packet.size}\n".encode())
                digest.update(packet)
        except av.FFmpegError as error:
            digest.update(type(error).__name__.encode())
    return digest.hexdigest()
