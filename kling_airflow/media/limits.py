"""How large frames, pictures and clips may be. Numbers only, so that parsing a DAG can import them."""

from __future__ import annotations

MAX_FRAME_BYTES = 10_000_000
"""Largest frame the queue takes. The vendor documents 10 MB; this is the smaller of its two meanings."""

MAX_SOURCE_BYTES = 100_000_000
"""Default limit of a picture's file size."""

MAX_PIXELS = 89_478_485
"""Default limit of the pixels that are decoded: Pillow's own for decompression bombs, 256 MB as RGB."""

MAX_CLIP_BYTES = 1_000_000_000
"""Default limit of a clip's file size. Clips of 5 s in 720p were seen with 3 to 10 MB."""

DOWNLOAD_SECONDS = 600.0
"""How long the download of a clip may take in all."""

MAX_CLIP_PIXELS = 8_912_896
"""Clips with larger pictures (4096 x 2176) are refused unless the user says otherwise."""

ON_MISMATCH = ("fail", "warn")
"""What a landing does with a clip that is damaged or not what was asked for."""
