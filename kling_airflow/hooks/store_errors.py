"""What a store's errors say, however deep their causes are nested."""

from __future__ import annotations

from kling_airflow.redaction import without_signatures

CHECKSUMS = (
    "This store may not know the checksums that the AWS SDK sends since 2025: put"
    ' {"config_kwargs": {"request_checksum_calculation": "when_required",'
    ' "response_checksum_validation": "when_required"}} into the connection\'s extra.'
)
"""What to do about a store that refuses the SDK's checksums."""
UNKNOWN_HEADER = ("notimplemented", "not implemented", "checksum", "x-amz-trailer", "contentsha256mismatch")
"""Words of an answer that refuses a header."""


def fit_to_show(error: Exception) -> Exception | None:
    """Return a cause for the log's traceback; None for one that quotes a signed address."""
    text = texts(error)
    return error if without_signatures(text) == text else None


def says(error: BaseException, words: tuple[str, ...]) -> bool:
    """Whether an error, or one of its causes, has one of these words in it."""
    text = texts(error).lower()
    return any(word in text for word in words)


def texts(error: BaseException | None) -> str:
    """Return what an error and all of its causes say, in one text."""
    found = ""
    while error is not None:
        found, error = f"{found} {error}", error.__cause__ or error.__context__
    return found
