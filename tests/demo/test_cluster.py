"""The environment of the demo's Airflow is its own, whatever the shell around it says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kling_airflow.demo.cluster import AirflowCluster, clean_environment
from kling_airflow.demo.errors import DemoError


def environment_of(cluster: AirflowCluster) -> dict[str, str]:
    return cluster.service._env


def test_settings_of_the_shell_do_not_reach_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production")
    monkeypatch.setenv("AIRFLOW_HOME", "/production")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://production")
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("GMI_API_KEY", "production")
    cluster = AirflowCluster(tmp_path / "airflow", dags=tmp_path, connections={})
    assert not [value for value in environment_of(cluster).values() if "production" in value]


def test_connections_and_settings_are_handed_over(tmp_path: Path) -> None:
    cluster = AirflowCluster(
        tmp_path / "airflow",
        dags=tmp_path / "dags",
        connections={"gmi_cloud_default": {"conn_type": "gmi_cloud", "host": "http://127.0.0.1:1"}},
        port=12345,
        settings={"AIRFLOW__CORE__PARALLELISM": "2"},
    )
    environment = environment_of(cluster)
    assert json.loads(environment["AIRFLOW_CONN_GMI_CLOUD_DEFAULT"])["host"] == "http://127.0.0.1:1"
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "2"
    assert environment["AIRFLOW__API__PORT"] == "12345"
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == str(tmp_path / "dags")
    assert cluster.api.base_url == "http://127.0.0.1:12345"


def test_airflow_finds_itself_and_no_proxy_stands_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "internal.example")
    environment = clean_environment()
    first = Path(environment["PATH"].split(os.pathsep)[0])
    assert (first / "airflow").is_file()
    assert environment["NO_PROXY"] == "internal.example,127.0.0.1,localhost"


def test_a_home_that_no_demo_made_is_refused(tmp_path: Path) -> None:
    precious = tmp_path / "airflow" / "airflow.cfg"
    precious.parent.mkdir()
    precious.write_text("production")
    with pytest.raises(DemoError, match="not a folder of an earlier demo"):
        AirflowCluster(precious.parent, dags=tmp_path, connections={}).start()
    assert precious.read_text() == "production"


def test_the_password_is_new_each_time_and_only_the_owner_can_read_it(tmp_path: Path) -> None:
    one, other = (AirflowCluster(tmp_path / name, dags=tmp_path, connections={}) for name in "ab")
    assert one.password != other.password
    one.service._command = ["true"]
    one.start()
    one.stop()
    file = one.home / "passwords.json"
    assert json.loads(file.read_text()) == {"admin": one.password}
    assert file.stat().st_mode & 0o077 == 0
