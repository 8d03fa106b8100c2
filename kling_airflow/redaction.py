"""Texts without what must not be read by others: the signature of a signed address, a key in a query."""

from __future__ import annotations

import re

_NAMES = (
    "(?:x-amz-|x-goog-|x-oss-|x-cos-)?(?:signature|credential|security-token)",
    "awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id|policy|sig",
    "access_?token|auth|token|api_?key|key|password|secret",
)
# Also as another address carries it: percent-encoded.
_SECRET = re.compile(rf"(?i)(\b|%3f|%26)({'|'.join(_NAMES)})(=|%3d)(?:(?!%26)[^&\s\"'<>`])+")


def without_signatures(text: str) -> str:
    """Return a text in which the value of every parameter that signs, or carries a key, is left out."""
    return _SECRET.sub(r"\1\2\3...", text)
