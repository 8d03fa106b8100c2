"""Ports: free ones are free, a busy one is named."""

from __future__ import annotations

import socket

import pytest

from kling_airflow.demo.errors import DemoError
from kling_airflow.demo.ports import LOOPBACK, free_ports, require_free


def test_free_ports_are_all_different_and_can_be_listened_on() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    with socket.socket() as one:
        one.bind((LOOPBACK, ports[0]))


def test_a_busy_port_is_named_with_the_option_that_chose_it() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DemoError, match=rf"Port {port} can't be used: .*in use.*--port"):
            require_free(port, option="--port")


def test_a_port_that_is_not_taken_is_returned() -> None:
    (port,) = free_ports(1)
    assert require_free(port, option="--port") == port


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(DemoError, match="1 to 65535"):
        require_free(port, option="--port")
