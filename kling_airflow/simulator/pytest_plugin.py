"""Fixtures to test DAGs against the simulator, without spending.

pytest loads this module by its entry point, so the module imports nothing heavy, and never Airflow.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_airflow.simulator.server import Simulator

CONNECTION_ID = "gmi_cloud_default"
MARKER = "gmi_simulator"
USUAL: dict[str, Any] = {"speed": 120.0, "render": "fast"}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(**settings): the fixture gmi_simulator of this test is a simulator with these settings",
    )


@pytest.fixture(scope="session")
def gmi_simulator_settings() -> dict[str, Any]:
    """Return the settings of the simulator that tests share; define a fixture of this name to change them."""
    return dict(USUAL)


@pytest.fixture(scope="session")
def _gmi_simulator(gmi_simulator_settings: dict[str, Any]) -> Iterator[Simulator]:
    from kling_airflow.simulator.server import Simulator

    with Simulator(**gmi_simulator_settings) as simulator:
        yield simulator


@pytest.fixture
def gmi_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """Run GMI Cloud's request queue; yields a simulator without requests and without faults.

    One simulator serves the session and is reset before each test. A test marked
    `@pytest.mark.gmi_simulator(speed=10)` gets its own simulator.
    """
    from kling_airflow.simulator.server import Simulator

    marker = request.node.get_closest_marker(MARKER)
    if marker is None:
        shared: Simulator = request.getfixturevalue("_gmi_simulator")
        shared.reset()
        yield shared
        return
    settings = request.getfixturevalue("gmi_simulator_settings")
    with Simulator(**(settings | marker.kwargs)) as own:
        yield own


@pytest.fixture
def gmi_connection(gmi_simulator: Simulator) -> Iterator[str]:
    """Define the connection `gmi_cloud_default` to the simulator; yields the connection id."""
    name = f"AIRFLOW_CONN_{CONNECTION_ID.upper()}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setitem(os.environ, name, gmi_simulator.connection)
        yield CONNECTION_ID
