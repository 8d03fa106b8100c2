"""A clip with a box of content credentials in it, as a vendor writes one."""

from __future__ import annotations

import struct

from kling_airflow.media.credentials import C2PA


def with_credentials(clip: bytes, label: bytes = b"urn:c2pa:8a3f1e9c-test") -> bytes:
    """The clip with a C2PA box behind its first box; offsets in its index are put right."""
    jumbf = b"jumb" + b"\0\0\0\x2ejumdc2pa" + bytes(12) + b"\3" + label + b"\0"
    content = C2PA + bytes(4) + b"manifest\0" + bytes(8) + jumbf
    box = struct.pack(">I", len(content) + 8) + b"uuid" + content
    first = int.from_bytes(clip[:4], "big")
    changed = bytearray(clip[:first] + box + clip[first:])
    at = changed.find(b"stco")
    while at >= 0:
        count = int.from_bytes(changed[at + 8 : at + 12], "big")
        for number in range(count):
            where = at + 12 + 4 * number
            offset = int.from_bytes(changed[where : where + 4], "big")
            changed[where : where + 4] = (offset + len(box)).to_bytes(4, "big")
        at = changed.find(b"stco", at + 4)
    return bytes(changed)
