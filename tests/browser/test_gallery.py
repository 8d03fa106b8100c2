"""The gallery as a person uses it: log in, open it, search, play, look at a request, go to its run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from kling_airflow.demo.stack import Stack
from tests.browser.chromium import Watch
from tests.browser.conftest import CALM, HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FrameLocator, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]
CARDS = ".card"


def opened(page: Page, stack: Stack) -> FrameLocator:
    """The gallery inside Airflow's UI."""
    page.goto(f"{stack.airflow.api.base_url}/plugin/kling-gallery")
    frame = page.frame_locator("iframe[title='Kling gallery']")
    frame.locator(CARDS).first.wait_for()
    return frame


def test_from_the_navigation_to_a_clip_that_plays(page: Page, stack: Stack) -> None:
    watch = Watch(page, stack.airflow.api.base_url)
    page.goto(stack.airflow.api.base_url)
    page.get_by_role("link", name="Kling gallery").first.click()
    frame = page.frame_locator("iframe[title='Kling gallery']")
    frame.locator(CARDS).first.wait_for()
    assert frame.locator(CARDS).count() == 7  # two clips, four of the storyboard, the film
    assert frame.locator(f"{CARDS} .kind").all_inner_texts() == ["film"]

    frame.get_by_label("Text").fill("launch pad dawn")
    frame.get_by_role("button", name="Search").click()
    frame.get_by_role("link", name="Show all").wait_for()
    assert frame.locator(CARDS).count() == 1
    assert CALM in frame.locator(CARDS).inner_text()

    video = frame.locator("video")
    frame.get_by_role("button", name=re.compile("^Play clip of request")).click()
    playing = "video => new Promise(done => { const look = () => video.currentTime > 0.3 && !video.error"
    playing += " ? done(true) : setTimeout(look, 50); look(); })"
    assert video.evaluate(playing) is True
    video.evaluate("video => { video.pause(); video.currentTime = 2.5; }")
    sought = "video => new Promise(done => { const look = () => !video.seeking && video.currentTime > 2"
    sought += " ? done(true) : setTimeout(look, 50); look(); })"
    assert video.evaluate(sought) is True

    frame.get_by_role("link", name="Show all").click()
    frame.get_by_role("link", name="Show all").wait_for(state="detached")
    frame.locator("select[name=dag]").select_option("kling_storyboard")
    frame.get_by_role("link", name="Show all").wait_for()
    assert frame.locator(CARDS).count() == 5
    assert (watch.foreign, watch.blocked, watch.dialogs) == ([], [], [])


def test_a_request_and_the_way_to_its_run(page: Page, stack: Stack) -> None:
    watch = Watch(page, stack.airflow.api.base_url)
    frame = opened(page, stack)
    frame.get_by_role("link", name=CALM).click()
    frame.get_by_role("heading", name="Timeline").wait_for()
    steps = frame.locator(".timeline li").all_inner_texts()
    for text in (
        "POST 1 is about to leave",
        "The request id is noted",
        "The queue has made the clip",
        "Checked and",
    ):
        assert any(text in step for step in steps), (text, steps)
    assert "submit" in frame.locator("main").inner_text()
    assert frame.locator("dd.whole-prompt").inner_text() == CALM
    frame.get_by_role("link", name=re.compile("^kling_image_to_video, ")).click()
    page.wait_for_url(re.compile(r"/dags/kling_image_to_video/runs/"))
    assert page.locator("iframe").count() == 0
    assert (watch.foreign, watch.blocked, watch.dialogs) == ([], [], [])


def test_a_request_shows_its_frames(page: Page, stack: Stack) -> None:
    watch = Watch(page, stack.airflow.api.base_url)
    kinds: list[str | None] = []
    page.on(
        "response",
        lambda answer: (
            kinds.append(answer.headers.get("content-type")) if "/kling/frames/" in answer.url else None
        ),
    )
    frame = opened(page, stack)
    frame.get_by_role("link", name=CALM).click()
    frame.get_by_role("heading", name="Frames").wait_for()
    ready(frame)
    sizes = frame.locator(".frames img").evaluate_all(
        "all => all.map(one => [one.naturalWidth, one.clientWidth])"
    )
    assert len(sizes) == 2
    assert all(natural > 100 and shown > 100 for natural, shown in sizes), sizes
    assert set(kinds) == {"image/jpeg"}, "a placeholder is no JPEG"
    assert frame.locator(".no-frame").count() == 0
    assert (watch.foreign, watch.blocked, watch.dialogs) == ([], [], [])


def test_a_hostile_prompt_is_shown_and_runs_nothing(page: Page, stack: Stack) -> None:
    watch = Watch(page, stack.airflow.api.base_url)
    frame = opened(page, stack)
    frame.get_by_role("link", name=HOSTILE).click()
    assert frame.locator("dd.whole-prompt").inner_text() == HOSTILE
    assert (watch.foreign, watch.blocked, watch.dialogs) == ([], [], [])


def test_without_a_login_there_is_a_way_to_it(browser: Browser, stack: Stack) -> None:
    page = browser.new_page()
    answer = page.goto(f"{stack.airflow.api.base_url}/kling/")
    assert answer is not None
    assert answer.status == 401
    assert page.locator("video").count() == 0
    page.get_by_role("link", name="Log in to Airflow").click()
    page.get_by_label("Username").wait_for()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_follow_airflow(page: Page, stack: Stack, pictures: Path, scheme: str) -> None:
    page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")  # the system's says the contrary
    page.evaluate("scheme => localStorage.setItem('theme', scheme)", scheme)
    frame = opened(page, stack)
    frame.locator(f"html[data-theme={scheme}]").wait_for(state="attached")
    ready(frame)
    page.screenshot(path=pictures / f"gallery-{scheme}.png")
    if scheme == "light":
        frame.get_by_role("link", name=CALM).click()
        frame.get_by_role("heading", name="Timeline").wait_for()
        ready(frame)
        page.screenshot(path=pictures / "gallery-request.png")


def test_a_telephone(page: Page, stack: Stack, pictures: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{stack.airflow.api.base_url}/kling/")
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0
    ready(page)
    page.screenshot(path=pictures / "gallery-narrow.png")
    page.locator(f"{CARDS} .prompt a").first.click()
    page.get_by_role("heading", name="Timeline").wait_for()
    assert page.evaluate(wide) == 0
    ready(page)
    page.screenshot(path=pictures / "gallery-request-narrow.png", full_page=True)


def test_a_request_that_waits_shows_where_it_stands(
    page: Page, stack: Stack, stuck: tuple[str, str, str]
) -> None:
    """Its page asks the queue and looks again by itself; the tab of the task says the same."""
    watch = Watch(page, stack.airflow.api.base_url)
    dag_id, run_id, request_id = stuck
    run = {"dag_id": dag_id, "run_id": run_id}
    page.goto(f"{stack.airflow.api.base_url}/kling/requests/{request_id}?{urlencode(run)}")
    page.get_by_role("heading", name="In the queue: queued").wait_for()
    assert "has not landed" in page.locator("main").inner_text()
    assert any("The request id is noted" in step for step in page.locator(".timeline li").all_inner_texts())

    task = urlencode({**run, "task_id": "submit", "map_index": -1})
    page.goto(f"{stack.airflow.api.base_url}/kling/task?{task}")
    page.get_by_role("heading", name=f"Request {request_id}").wait_for()
    page.get_by_role("heading", name="In the queue: queued").wait_for()
    assert (watch.foreign, watch.blocked, watch.dialogs) == ([], [], [])

    page.goto(stack.queue.url)  # the simulator's own page names the fault, and that it strikes no longer
    page.locator(".card", has_text=request_id).get_by_text("Fault: stuck-queued").wait_for()
    page.get_by_text("No fault is in force now. 1 request below was changed by a fault.").wait_for()


def test_the_tab_of_a_task_shows_its_clip_and_loads_nothing(page: Page, stack: Stack) -> None:
    watch = Watch(page, stack.airflow.api.base_url)
    frame = opened(page, stack)
    frame.get_by_role("link", name=CALM).click()
    dag_id, _, run_id = (
        frame.get_by_role("link", name=re.compile("^kling_image_to_video, ")).inner_text().partition(", ")
    )
    asked: list[str] = []
    page.goto("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    task = urlencode({"dag_id": dag_id, "run_id": run_id, "task_id": "land", "map_index": "{MAP_INDEX}"})
    address = f"{stack.airflow.api.base_url}/kling/task?{task}"
    page.goto(address)
    assert page.locator("dd.whole-prompt").inner_text() == CALM
    poster = page.get_by_role("img", name="The poster of the clip")
    poster.evaluate("image => image.decode()")
    assert poster.evaluate("image => image.naturalWidth") > 100
    assert [url for url in asked if not url.startswith(("data:", address))] == []
    assert (watch.foreign, watch.blocked, watch.dialogs) == ([], [], [])


def ready(where: Page | FrameLocator) -> None:
    """Wait until posters and frames are there: fetched and decoded, those below the fold as well."""
    loaded = """videos => Promise.all(videos.filter(video => video.poster).map(video => {
        const image = new Image(); image.src = video.poster; return image.decode();
    })).then(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))"""
    where.locator("video").evaluate_all(loaded)
    painted = """images => Promise.all(images.map(image => {
        image.loading = "eager"; return image.decode();
    })).then(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))"""
    where.locator(".frames img").evaluate_all(painted)
