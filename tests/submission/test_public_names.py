"""The public face of the package: its names, and that importing it loads none of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

import kling_airflow.submission as submission

NAMES = [
    "DeliveredFrames", "ImageDelivery", "Ledger", "LedgerAdmin", "LostMemory", "MemoryLedger",
    "ObjectStoreLedger", "OnChanged", "OnUnresolved", "Order", "SourceFrame", "State", "SubmissionRecord",
    "SubmitLater", "Submitted", "Submitter", "TaskKey", "TaskStateLedger", "fingerprint",
]  # fmt: skip


def test_the_public_names() -> None:
    assert submission.__all__ == NAMES
    for name in NAMES:
        assert getattr(submission, name).__module__.startswith("kling_airflow.submission.")


def test_no_other_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Recovery'"):
        _ = submission.Recovery


def test_importing_the_package_loads_nothing() -> None:
    code = "import sys, kling_airflow.submission; print([m for m in sys.modules if 'kling_airflow.' in m])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['kling_airflow.submission']"
