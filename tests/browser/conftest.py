"""One real Airflow with several clips and a film in its gallery, and a browser."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from kling_airflow.demo.film import STORYBOARD
from kling_airflow.demo.options import END, SPEED, START, dags_folder
from kling_airflow.demo.stack import GALLERY, Stack
from tests.browser.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RUN_SECONDS = 900
HOSTILE = "<img src=x onerror=alert(1)><script>alert('hostile')</script> & a \"quoted\" sunrise"
STUCK = "The queue is full, and the rocket waits on its pad."
CALM = "The camera drifts slowly over the launch pad at dawn; mist rises."


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything up: two clips, four of a storyboard, and their film, all landed by real runs."""
    home = tmp_path_factory.mktemp("browser")
    with Stack(home, dags=dags_folder(), speed=3 * SPEED) as running:
        running.wait_until_ready(lambda service: None)
        for dag_id, params in wanted(running, home):  # one after another: the machine may have two cores
            wait(running, *trigger(running, dag_id, params))
        yield running


def wanted(stack: Stack, home: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The runs: what is triggered, with which parameters."""
    for still in (START, END):
        stack.store.upload(still, f"{GALLERY}/boards/{still.name}")
    board = home / "shots.yaml"
    prompt = "'The rocket rises through the clouds until the sky turns black.'"
    board.write_text(
        STORYBOARD.format(duration=3, sound="yes", prompt=prompt, start=START.name, end=END.name)
    )
    storyboard = stack.store.upload(board, f"{GALLERY}/boards/shots.yaml")
    film = {"storyboard": storyboard, "bucket": GALLERY, "budget_usd": 50, "approve": False}
    yield "kling_image_to_video", clip(HOSTILE)
    yield "kling_storyboard", film
    yield "kling_image_to_video", clip(CALM)


def clip(prompt: str) -> dict[str, Any]:
    """The params of a run that makes one clip of the two stills in the gallery's bucket."""
    frames = {"start_frame": f"{GALLERY}/boards/{START.name}", "end_frame": f"{GALLERY}/boards/{END.name}"}
    return {**frames, "prompt": prompt, "duration": 3, "sound": False, "bucket": GALLERY}


def trigger(stack: Stack, dag_id: str, params: dict[str, Any]) -> tuple[str, str]:
    stack.airflow.wait_for_dag(dag_id)
    stack.airflow.api.unpause(dag_id)
    return dag_id, stack.airflow.api.trigger(dag_id, params)


def wait(stack: Stack, dag_id: str, run_id: str) -> None:
    """Wait until a run has succeeded; an API that is busy for a while is asked again."""
    deadline = time.monotonic() + RUN_SECONDS
    state = ""
    while state != "success":
        stack.require_running()
        assert time.monotonic() < deadline, (
            f"{dag_id} is {state} after {RUN_SECONDS} s: {stack.airflow.service.tail()}"
        )
        try:
            state = stack.airflow.api.run_state(dag_id, run_id)
        except requests.RequestException:
            continue
        assert state != "failed", stack.airflow.service.tail()
        time.sleep(0.5)


@pytest.fixture
def stuck(stack: Stack) -> tuple[str, str, str]:
    """A request that stays in the queue: its DAG, its run, its id."""
    fault = requests.post(
        f"{stack.queue.url}/_simulator/faults", json={"name": "stuck-queued", "times": 1}, timeout=30
    )
    fault.raise_for_status()
    dag_id, run_id = trigger(stack, "kling_image_to_video", clip(STUCK))
    deadline = time.monotonic() + RUN_SECONDS
    while not (request_id := stack.airflow.api.xcom(dag_id, run_id, "submit")):
        stack.require_running()
        assert time.monotonic() < deadline, stack.airflow.service.tail()
        time.sleep(0.5)
    return dag_id, run_id, str(request_id)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page of a new profile that is logged in to Airflow."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(60_000)
    made = context.new_page()
    log_in(made, stack)
    yield made
    context.close()


def log_in(page: Page, stack: Stack) -> None:
    """Log in as a person does."""
    page.goto(stack.airflow.api.base_url)
    page.get_by_label("Username").fill("admin")
    page.locator("input[type=password]").fill(stack.airflow.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/auth/login" not in url)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where pictures are taken to; if ``KLING_PICTURES`` names a folder, they are copied there."""
    folder = tmp_path_factory.mktemp("pictures")
    yield folder
    if wanted := os.environ.get("KLING_PICTURES"):
        for picture in folder.iterdir():
            shutil.copy(picture, wanted)
