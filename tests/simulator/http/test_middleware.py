"""What the outermost layer does to every answer."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import requests

from kling_airflow.simulator import ManualClock, Simulator


def test_the_date_header_is_of_the_simulated_clock() -> None:
    clock = ManualClock(1_700_000_000)
    with Simulator(clock=clock, render="fast") as simulator:
        clock.advance(86_400)
        answer = requests.get(
            f"{simulator.base_url}/api/v1/ie/requestqueue/apikey/requests",
            headers={"Authorization": f"Bearer {simulator.api_key}"},
            timeout=10,
        )
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == 1_700_086_400
