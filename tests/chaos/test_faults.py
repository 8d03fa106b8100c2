"""Chaos is of every kind, and as much as was asked for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from kling_airflow.simulator.faults.table import FAULT_TYPES
from tests.chaos.faults import LEFT_OUT, STRUCK, put_in_force

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator


def test_every_kind_is_in_force_or_left_out_for_a_reason(gmi_simulator: Simulator) -> None:
    put_in_force(gmi_simulator, 0.2)
    in_force = {fault["name"] for fault in gmi_simulator.faults.list()}
    assert in_force | set(LEFT_OUT) | {"refused"} == set(FAULT_TYPES)
    assert not in_force & set(LEFT_OUT)


def test_the_share_of_each_call_is_the_share_that_was_asked_for(gmi_simulator: Simulator) -> None:
    count = put_in_force(gmi_simulator, 0.2)
    faults = gmi_simulator.faults.list()
    shares: Counter[str] = Counter()
    for fault in faults:
        shares[fault["call"]] += fault["probability"]
    assert len(faults) == count
    assert dict(shares) == pytest.approx(dict.fromkeys(STRUCK, 0.2))
