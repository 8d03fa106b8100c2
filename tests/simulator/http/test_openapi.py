"""schemathesis over `/openapi.json`: no generated call gets a 500 without a fault."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_airflow.simulator import Simulator
from tests.simulator.conftest import QUICK

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulator that does not fetch frames, because schemathesis invents their hosts."""
    with Simulator(**(QUICK | {"fetch_frames": False, "error_shape": "mixed"})) as simulator:
        yield simulator


@pytest.mark.parametrize(
    ("selection", "with_key", "operations"),
    [
        (["--include-path-regex", "^/api/"], True, 7),
        (["--exclude-path-regex", "^/api/"], False, 13),
    ],
    ids=["queue", "rest"],
)
def test_no_500_without_a_fault(
    simulator: Simulator, tmp_path: Path, selection: list[str], with_key: bool, operations: int
) -> None:
    simulator.reset()
    key = ["-H", f"Authorization: Bearer {simulator.api_key}"] if with_key else []
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{simulator.base_url}/openapi.json", *key]
    command += ["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--seed", "7"]
    command += ["--max-examples", "20", "--continue-on-failure", *selection]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested is not None
    assert int(tested.group(1)) == operations
    cases = re.search(r"(\d+) generated", done.stdout)
    assert cases is not None
    assert int(cases.group(1)) >= 15 * operations
