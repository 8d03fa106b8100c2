"""The files in deploy/, held against Airflow's options, the simulator's command line and our own limits."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kling_airflow.cli import simulator as simulator_cli
from kling_airflow.get_provider_info import get_provider_info
from kling_airflow.gmi.call import SUBMIT_TIMEOUTS
from kling_airflow.simulator.settings import Settings
from tests.airflow_versions import needs_airflow_here

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE_FILE = DEPLOY / "docker-compose" / "docker-compose.yaml"
COMPOSE = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HELM = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())
POD = yaml.safe_load((DEPLOY / "helm" / "pod_template.yaml").read_text())
DOWNLOAD_TIMEOUT = 600.0  # the default of ClipToObjectStorageOperator
SERVICE_KEYS = {
    *("build", "image", "environment", "volumes", "restart", "depends_on", "command", "entrypoint", "ports"),
    *("healthcheck", "deploy", "ulimits", "stop_grace_period"),
}
HELM_KEYS = {
    *(
        "airflowVersion",
        "images",
        "executor",
        "env",
        "secret",
        "config",
        "scheduler",
        "apiServer",
        "dagProcessor",
    ),
    *("workers", "triggerer", "redis", "postgresql", "pgbouncer", "statsd"),
}
"""The keys of the chart's values that are used; the chart's own schema is no part of this repository."""


def known_options() -> set[str]:
    """Every option that Airflow 3.3 or this package has, as the name of its environment variable."""
    from airflow.configuration import conf

    names = {
        f"AIRFLOW__{section.upper()}__{option.upper()}"
        for section, described in conf.configuration_description.items()
        for option in described["options"]
    }
    celery = {
        "BROKER_URL",
        "RESULT_BACKEND",
        "WORKER_CONCURRENCY",
    }  # of the Celery provider, which isn't here
    own = get_provider_info()["config"]["kling"]["options"]
    return {
        *names,
        *(f"AIRFLOW__CELERY__{name}" for name in celery),
        *(f"AIRFLOW__KLING__{n.upper()}" for n in own),
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_whole(name: str) -> None:
    service = SERVICES[name]
    assert service.keys() <= SERVICE_KEYS
    assert "image" in service
    needed = service.get("depends_on", {})
    assert needed.keys() <= SERVICES.keys()
    for other, how in needed.items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other], f"{name} waits for the health of {other}"
        else:
            assert SERVICES[other].get("restart", "no") == "no", f"{name} waits for the end of {other}"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        inside = (
            (COMPOSE_FILE.parent / source).exists()
            if source.startswith(".")
            else source in COMPOSE["volumes"]
        )
        assert inside, volume


def test_there_are_two_of_everything_that_may_die() -> None:
    for name in ("airflow-scheduler", "airflow-worker", "airflow-triggerer"):
        assert SERVICES[name]["deploy"]["replicas"] == 2
    for name in ("scheduler", "workers", "triggerer", "apiServer"):
        assert HELM[name]["replicas"] == 2


def test_nothing_that_is_shared_is_a_disk() -> None:
    """Workers and triggerers have the DAGs in common, and those can't be written."""
    for name in ("airflow-worker", "airflow-triggerer"):
        assert [volume.rsplit(":", 1)[1] for volume in SERVICES[name]["volumes"]] == ["ro"]
    assert HELM["workers"]["persistence"]["enabled"] is False
    assert HELM["triggerer"]["persistence"]["enabled"] is False


def test_each_setting_is_one_that_exists() -> None:
    needs_airflow_here("3.3", "these options")
    known = known_options()
    named = set(SERVICES["airflow-worker"]["environment"]) | {entry["name"] for entry in HELM["env"]}
    named |= {entry["name"] for entry in POD["spec"]["containers"][0]["env"]}
    settings = {name for name in named if name.startswith("AIRFLOW__")}
    assert len(settings) > 15
    assert settings - known == set()
    in_helm = {
        f"AIRFLOW__{section.upper()}__{option.upper()}"
        for section, options in HELM["config"].items()
        for option in options
    }
    assert in_helm - known == set()


def test_the_connections_are_json_that_airflow_reads() -> None:
    from airflow.models import Connection

    environment = SERVICES["airflow-worker"]["environment"]
    for name in ("GMI_CLOUD_DEFAULT", "AWS_DEFAULT"):
        connection = Connection.from_json(environment[f"AIRFLOW_CONN_{name}"])
        assert connection.password
    queue = json.loads(environment["AIRFLOW_CONN_GMI_CLOUD_DEFAULT"])
    assert queue["password"] == Settings().accounts[0].key, "the key that the simulator takes"


def test_the_simulators_command_is_one() -> None:
    parser = argparse.ArgumentParser()
    simulator_cli.add_arguments(parser)
    command = SERVICES["simulator"]["command"]
    options = parser.parse_args(command[1:])
    assert command[0] == "simulator"
    host = json.loads(SERVICES["airflow-worker"]["environment"]["AIRFLOW_CONN_GMI_CLOUD_DEFAULT"])["host"]
    assert host == options.public_url == f"http://{options.allowed_hosts[0]}:{options.port}"


def test_a_worker_has_time_for_a_post_and_a_landing() -> None:
    needed = SUBMIT_TIMEOUTS.total + DOWNLOAD_TIMEOUT
    assert int(SERVICES["airflow-worker"]["stop_grace_period"].removesuffix("s")) > needed
    assert HELM["workers"]["terminationGracePeriodSeconds"] > needed
    assert POD["spec"]["terminationGracePeriodSeconds"] > needed


def test_the_files_that_a_triggerer_may_open_exceed_its_capacity() -> None:
    triggerer = SERVICES["airflow-triggerer"]
    assert (
        triggerer["ulimits"]["nofile"]["soft"]
        > int(triggerer["environment"]["AIRFLOW__TRIGGERER__CAPACITY"]) + 500
    )


def test_the_charts_values_are_known() -> None:
    assert HELM.keys() == HELM_KEYS
    assert HELM["triggerer"]["keda"]["enabled"] is False, (
        "a shared poller is not scaled by the number of waits"
    )
    for part in ("scheduler", "apiServer", "dagProcessor", "workers", "triggerer"):
        for amount in HELM[part]["resources"]["requests"].values():
            assert re.fullmatch(r"\d+(m|Mi|Gi)?", amount)


def test_the_pod_has_the_container_that_airflow_fills_in() -> None:
    (container,) = POD["spec"]["containers"]
    assert container["name"] == "base"
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in POD["spec"]["volumes"]
    }
    assert POD["spec"]["restartPolicy"] == "Never"


def test_no_secret_is_written_down() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert not re.search(r"(?i)(sk-|eyJ|AKIA)[A-Za-z0-9]{8,}", text), path
    environment = SERVICES["airflow-worker"]["environment"]
    for name in ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY"):
        assert environment[name].startswith("${")


def _docker_has_compose() -> bool:
    docker = shutil.which("docker")
    return (
        docker is not None
        and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not _docker_has_compose(), reason="no docker compose here")
def test_docker_compose_accepts_the_file() -> None:
    environment = {"JWT_SECRET": "x" * 32, "API_SECRET_KEY": "x" * 32, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    command = ["docker", "compose", "-f", str(COMPOSE_FILE), "config", "--quiet"]
    subprocess.run(command, check=True, env=environment)
