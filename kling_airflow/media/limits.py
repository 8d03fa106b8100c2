"""How large frames, pictures and clips may be. Numbers only, so that a DAG's parse can import them."""

from __future__ import annotations

MAX_FRAME_BYTES = 10_000_000
"""Largest frame the queue takes: 10 MB (doc), read as the smaller of its two meanings."""

MAX_SOURCE_BYTES = 100_000_000
"""Larger pictures are refused unless the user says otherwise."""

MAX_PIXELS = 89_478_485
"""Largest picture that is decoded: Pillow's own threshold for a decompression bomb (256 MB as RGB)."""

MAX_CLIP_BYTES = 1_000_000_000
"""Larger clips are refused unless the user says otherwise. 5 s of 720p have 3-10 MB (seen)."""

DOWNLOAD_SECONDS = 600.0
"""How long the download of a clip may take in all."""

MAX_CLIP_PIXELS = 8_912_896
"""Clips with larger pictures (4096 x 2176) are refused unless the user says otherwise."""
