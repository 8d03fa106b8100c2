"""A cleared task finds the clip it has bought, even with a discarded ledger, or buys another if asked to.

Airflow 3.4 discards the task state store when a user clears a task; before 3.4 the store survives. These
tests emulate both on every Airflow: the next try gets the old store, or a new one in place of it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.errors import DownloadFailed
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from kling_airflow.task.cleared import lost_memory, read_public_frame
from kling_airflow.task.tries import Tries
from kling_airflow.task_instance.key import task_key
from tests.airflow_context import RUN_AFTER, TaskStateStore, context
from tests.airflow_versions import let_airflow_say
from tests.media.file_server import FileServer
from tests.tasks import ask, operator, posts, until_over

if TYPE_CHECKING:
    from pathlib import Path

    from kling_airflow.simulator import Simulator

pytestmark = pytest.mark.usefixtures("deployment")
AFTER_CLEAR = {"try_number": 2, "max_tries": 1}
"""A task without retries, cleared after its first try."""


def text_operator(**fields: Any) -> KlingTextToVideoOperator:
    return KlingTextToVideoOperator(
        **({"task_id": "submit", "prompt": "rise", "poll_interval": 0.01, "deferrable": False} | fields)
    )


@pytest.fixture(params=["kept", "discarded"])
def next_store(request: pytest.FixtureRequest) -> Any:
    """What a clear leaves of the task state store: before Airflow 3.4, and from 3.4 on."""
    return (lambda store: store) if request.param == "kept" else (lambda store: TaskStateStore())


class TestKeep:
    @pytest.mark.parametrize("delivery", ["upload", "base64"])
    @pytest.mark.parametrize("state", ["queued", "success"])
    def test_the_clip_of_the_frames_is_found(
        self, queue: Simulator, rocket: str, next_store: Any, delivery: str, state: str
    ) -> None:
        store = TaskStateStore()
        bought = operator(rocket, image_delivery=delivery).execute(context(store))
        if state == "success":
            until_over(queue, bought)
        made = operator(rocket, image_delivery=delivery)
        assert made.execute(context(next_store(store), **AFTER_CLEAR)) == bought
        again = context(next_store(store), try_number=3, max_tries=2)
        assert made.execute(again) == bought, "cleared once more"
        assert posts(queue) == 1

    def test_the_clip_of_a_prompt_alone_is_found(self, queue: Simulator, next_store: Any) -> None:
        store = TaskStateStore()
        bought = text_operator().execute(context(store))
        assert text_operator().execute(context(next_store(store), **AFTER_CLEAR)) == bought
        assert posts(queue) == 1

    def test_the_object_storage_ledger_outlives_the_clear(
        self, queue: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        made = operator(rocket, ledger=tmp_path.as_uri())
        bought = made.execute(context())
        assert made.execute(context(**AFTER_CLEAR)) == bought
        assert posts(queue) == 1

    def test_another_clip_of_the_same_frame_is_not_taken(
        self, queue: Simulator, rocket: str, next_store: Any
    ) -> None:
        """Another task of the same run asks just the same; each frame carries the id of its order."""
        store, another = TaskStateStore(), context()
        another["ti"].task_id = "another"
        theirs = operator(rocket).execute(another)
        ours = operator(rocket).execute(context(store))
        assert theirs != ours
        assert operator(rocket).execute(context(next_store(store), **AFTER_CLEAR)) == ours
        assert posts(queue) == 2

    def test_a_failed_generation_is_bought_again_as_it_was_not_billed(
        self, queue: Simulator, rocket: str
    ) -> None:
        store = TaskStateStore()
        queue.fail_next("content policy")
        until_over(queue, operator(rocket).execute(context(store)))
        again = operator(rocket).execute(context(store, **AFTER_CLEAR))
        assert until_over(queue, again).status == "success"
        assert [entry.billed for entry in queue.ledger()] == [False, True]

    def test_two_candidates_are_a_question_and_no_purchase(self, queue: Simulator) -> None:
        """Twins of a prompt alone can't be told apart: nothing marks them."""
        another = context()
        another["ti"].task_id = "another"
        ids = {text_operator().execute(another), text_operator().execute(context())}
        with pytest.raises(exceptions.UnresolvedSubmission) as caught:
            text_operator(reconcile_grace=0).execute(context(**AFTER_CLEAR))
        for words in (*ids, "adopt_request_id", 'on_clear="buy"'):
            assert words in str(caught.value)
        assert posts(queue) == 2

    def test_a_clip_that_a_mapped_twin_holds_is_not_taken(
        self, queue: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The twin's request id is read from its XCom."""
        twin, ours = context(), context()
        twin["ti"].map_index, ours["ti"].map_index = 0, 1
        theirs = text_operator().execute(twin)
        bought = text_operator().execute(ours)
        let_airflow_say(monkeypatch, lambda **_: {"run": {"submit_0": "success", "submit_1": "running"}})
        cleared = context(**AFTER_CLEAR)
        cleared["ti"].map_index = 1
        cleared["ti"].xcom_pull = lambda *, task_ids, key, map_indexes: [
            theirs if key == "request_id" else None
        ]
        assert text_operator().execute(cleared) == bought
        assert posts(queue) == 2


class TestGrownLists:
    """A row is inserted at the front of the list of a mapped task, and the run is cleared."""

    def test_only_the_new_shot_is_bought(self, queue: Simulator, rocket: str) -> None:
        stores: dict[int, TaskStateStore] = {}

        def run(index: int, prompt: str, **known: Any) -> Any:
            given = context(stores.setdefault(index, TaskStateStore()), **known)
            given["ti"].map_index = index
            return operator(rocket, prompt=prompt).execute(given)

        bought = {prompt: run(index, prompt) for index, prompt in enumerate("abc")}
        found = {
            prompt: run(index, prompt, clear_number=1, **({} if index == 3 else AFTER_CLEAR))
            for index, prompt in enumerate("dabc")
        }
        assert {prompt: found[prompt] for prompt in "abc"} == bought
        assert posts(queue) == 4
        assert run(4, "e", clear_number=1) not in {*found.values()}, "appended"
        assert posts(queue) == 5

    def test_a_new_map_index_buys_with_on_clear_buy(self, queue: Simulator) -> None:
        text_operator(prompt="a").execute(context(TaskStateStore()))
        given = context(TaskStateStore(), clear_number=1)
        given["ti"].map_index = 1
        text_operator(prompt="a", on_clear="buy").execute(given)
        assert posts(queue) == 2


class TestNothingWasBought:
    """A try that comes after one that has bought nothing is not held up."""

    def test_a_retry_after_a_worker_that_died_before_it_began(self, queue: Simulator, rocket: str) -> None:
        """Its store is empty, and no user has cleared anything: nothing was discarded."""
        operator(rocket, retries=1).execute(context(try_number=2, max_tries=1))
        assert posts(queue) == 1

    @pytest.mark.parametrize("mistake", [{"image": "file:///no/such.jpg"}, {"gmi_conn_id": "nowhere"}])
    def test_a_clear_after_a_mistake_was_corrected(
        self, queue: Simulator, rocket: str, mistake: dict[str, Any]
    ) -> None:
        """The store survives the clear, as before Airflow 3.4, and says that the first try had begun."""
        store = TaskStateStore()
        with pytest.raises(exceptions.AirflowFailException):
            operator(**({"image": rocket} | mistake)).execute(context(store))
        operator(rocket).execute(context(store, **AFTER_CLEAR, clear_number=1))
        assert posts(queue) == 1


class TestBuy:
    def test_a_cleared_task_buys_once_more_and_its_retries_keep_that(
        self, queue: Simulator, rocket: str, next_store: Any
    ) -> None:
        store = TaskStateStore()
        made = operator(rocket, on_clear="buy", retries=2)
        first = made.execute(context(store, max_tries=2))
        assert made.execute(context(store, try_number=2, max_tries=2)) == first, "a retry, no clear"
        store = next_store(store)
        second = made.execute(context(store, try_number=3, max_tries=4))
        assert second != first
        assert made.execute(context(store, try_number=4, max_tries=4)) == second, "a retry after the clear"
        store = next_store(store)
        third = made.execute(context(store, try_number=5, max_tries=6))
        assert len({first, second, third}) == 3
        assert posts(queue) == 3

    def test_a_clear_of_a_running_task_buys_nothing(self, queue: Simulator, rocket: str) -> None:
        """Airflow doesn't tell it apart from a retry."""
        made = operator(rocket, on_clear="buy")
        first = made.execute(context())
        cleared = context(TaskStateStore(), try_number=2, max_tries=0, clear_number=1)
        assert made.execute(cleared) == first
        assert posts(queue) == 1

    @pytest.mark.parametrize("on_changed_request", ["reuse", "fail", "submit"])
    def test_the_clip_before_the_clear_is_no_changed_request(
        self, queue: Simulator, rocket: str, on_changed_request: str
    ) -> None:
        store = TaskStateStore()
        made = operator(rocket, on_clear="buy", on_changed_request=on_changed_request)
        first = made.execute(context(store))
        second = made.execute(context(store, **AFTER_CLEAR))
        assert second != first
        assert made.execute(context(store, try_number=3, max_tries=1)) == second
        assert posts(queue) == 2


class TestLoops:
    """``task_group.loop`` of Airflow 3.4: the context's ``loop`` says which iteration runs."""

    @pytest.mark.parametrize("kind", ["store", "folder"])
    def test_each_iteration_is_an_order_of_its_own(
        self, queue: Simulator, rocket: str, tmp_path: Path, kind: str
    ) -> None:
        made = operator(rocket, ledger=tmp_path.as_uri() if kind == "folder" else None)
        stores = [TaskStateStore(), TaskStateStore()]
        bought = [
            made.execute(context(stores[index]) | {"loop": SimpleNamespace(index=index)}) for index in (0, 1)
        ]
        assert len(set(bought)) == 2
        again = context(stores[1], try_number=2) | {"loop": SimpleNamespace(index=1)}
        assert made.execute(again) == bought[1]
        assert posts(queue) == 2

    def test_an_iteration_that_a_cleared_gate_makes_anew_finds_its_clip(
        self, queue: Simulator, rocket: str
    ) -> None:
        """It is a new task instance, in its first try, with an empty store."""
        loop = {"loop": SimpleNamespace(index=1)}
        bought = operator(rocket).execute(context() | loop)
        run = SimpleNamespace(run_after=RUN_AFTER, clear_number=1)
        assert operator(rocket).execute(context() | loop | {"dag_run": run}) == bought
        assert posts(queue) == 1


class TestWhatIsSearchedBy:
    def memory(self, given: dict[str, Any], on_clear: str = "keep", retries: int = 0) -> Any:
        tries = Tries.of(given, retries=retries)
        return lost_memory(given, task_key(given["ti"]), tries, on_clear, Log(), queue_url="http://q")

    def test_a_first_try_searches_nothing(self) -> None:
        assert self.memory(context()) is None

    def test_the_search_begins_with_the_run(self) -> None:
        memory = self.memory(context(**AFTER_CLEAR))
        assert memory.since == RUN_AFTER.timestamp() - 300
        assert memory.cleared

    def test_a_run_without_times_is_searched_from_the_beginning(self) -> None:
        assert self.memory(context(**AFTER_CLEAR) | {"dag_run": None}).since < 0

    def test_a_retry_searches_as_a_clear_of_a_running_task_looks_like_one(self) -> None:
        for on_clear in ("keep", "buy"):
            given = context(try_number=2, max_tries=3, clear_number=1)
            memory = self.memory(given, on_clear, retries=3)
            assert memory is not None
            assert not memory.cleared

    def test_a_retry_in_a_run_that_no_user_has_cleared_searches_nothing(self) -> None:
        assert self.memory(context(try_number=2, max_tries=3), retries=3) is None

    def test_the_first_try_after_a_clear_that_buys_searches_nothing(self) -> None:
        assert self.memory(context(**AFTER_CLEAR), "buy") is None

    def test_twins_that_have_not_begun_again_claim_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        states = {
            "submit_0": "success", "submit_1": "running", "submit_2": None, "submit_3": "queued",
            "submit_4": "deferred", "submit_5": "scheduled", "another": "success",
        }  # fmt: skip
        let_airflow_say(monkeypatch, lambda **_: {"run": states})
        given = context(**AFTER_CLEAR)
        given["ti"].map_index = 1
        asked: list[Any] = []
        given["ti"].xcom_pull = lambda **pulled: asked.append(pulled) or ["a", None]
        assert self.memory(given).claimed == {"a"}
        assert asked == [{"task_ids": "submit", "key": "request_id", "map_indexes": [0, 4]}]

    def test_twins_that_can_not_be_read_claim_nothing(self) -> None:
        """As without a supervisor: the real call, which fails here."""
        given = context(**AFTER_CLEAR)
        given["ti"].map_index = 1
        assert self.memory(given).claimed == frozenset()


class Log:
    def info(self, message: str, /, *args: Any) -> None: ...

    warning = error = info


def test_what_is_adopted_after_a_clear_is_logged(
    queue: Simulator, rocket: str, logged: Callable[[], str]
) -> None:
    bought = operator(rocket).execute(context())
    operator(rocket).execute(context(**AFTER_CLEAR))
    assert f"Adopted request {bought}" in logged()
    assert ask(queue, bought).request_id == bought


def test_a_frame_is_read_from_the_queues_host_and_from_no_other_private_host() -> None:
    """The address stands in the echo of another request, which is data."""
    with FileServer(b"a picture").running() as server:
        assert read_public_frame(server.url, queue_url=server.url) == b"a picture"
        for queue_url in ("https://console.gmicloud.ai", server.url.replace("127.0.0.1", "localhost")):
            with pytest.raises(DownloadFailed, match="private or link-local"):
                read_public_frame(server.url, queue_url=queue_url)
        assert len(server.requests) == 1
