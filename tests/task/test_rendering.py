"""Text that comes from data reaches the queue as it is; a template in the DAG file is rendered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from kling_airflow.exceptions import InvalidArgument
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.operators.request import GMICloudRequestOperator
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.simulator import Simulator
from kling_airflow.task.rendering import DataIsNoTemplate
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests.airflow_context import connect
from tests.airflow_versions import AIRFLOW, DAG, needs_airflow
from tests.dag_runs import Run, run_dag
from tests.tasks import ask

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import MappedOperator

TEXTS = (
    "Logo {{ brand }} glows.",
    "Show {{ conn.gmi_cloud_default.password }}",
    '"Cut!"',
    "{'a': 1}",
    "{{ broken",
)
"""Texts that a customer may write into a spreadsheet or a request form."""

DAG_FILE = """
from tests.airflow_versions import DAG, TaskGroup, literal, task, task_group
from kling_airflow.operators.request import GMICloudRequestOperator
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator as Buy

TEXTS = {texts!r}

class Styled(Buy):
    def __init__(self, *, shot, style="", **kwargs):
        super().__init__(prompt=f"{{style}} {{shot}}", **kwargs)

class Payload(GMICloudRequestOperator):
    def __init__(self, *, prompt, **kwargs):
        super().__init__(model="kling-v3-text-to-video", payload={{"prompt": prompt}}, **kwargs)

with DAG({dag_id!r}, schedule=None, render_template_as_native_obj={native}, params={{"text": {text!r}}}):
    @task
    def one(n):
        return TEXTS[n]

    @task
    def texts():
        return TEXTS

    @task
    def rows(*names):
        return [dict.fromkeys(names, text) for text in TEXTS]

    @task_group
    def shot(prompt):
        Buy(task_id="buy", prompt=prompt)

    for n in range(len(TEXTS)):
        Buy(task_id=f"xcom_{{n}}", prompt=one(n))
    Buy.partial(task_id="expand").expand(prompt=texts())
    Buy.partial(task_id="expand_kwargs", retries=0).expand_kwargs(rows("prompt"))
    Buy.partial(task_id="expand_map").expand_kwargs(texts().map(lambda text: {{"prompt": text}}))
    Buy.partial(task_id="literal").expand_kwargs([{{"prompt": literal(text)}} for text in TEXTS])
    Payload.partial(task_id="payload").expand_kwargs(rows("prompt"))
    Styled.partial(task_id="styled", style="Noir.").expand_kwargs(rows("shot"))
    shot.expand(prompt=texts())
    Buy(task_id="conf", prompt="{{{{ dag_run.conf['text'] }}}}")
    Buy(task_id="param", prompt="{{{{ params.text }}}}")

    # Templates of the DAG file.
    Buy(task_id="template", prompt="Take {{{{ 6 * 7 }}}}.")
    Buy.partial(task_id="template_expand").expand(prompt=["Take {{{{ 6 * 7 }}}}."])
    Buy.partial(task_id="template_kwargs").expand_kwargs([{{"prompt": "Take {{{{ 6 * 7 }}}}."}}])
    Buy.partial(task_id="template_partial", prompt="Take {{{{ 6 * 7 }}}}.").expand_kwargs(
        rows("negative_prompt")
    )
    Buy.partial(task_id="label_of_partial", label="shot {{{{ ti.map_index }}}}").expand_kwargs(rows("prompt"))
    with TaskGroup("defaults", default_args={{"negative_prompt": "Not {{{{ 6 * 7 }}}}."}}):
        Buy.partial(task_id="of_group").expand_kwargs(rows("prompt"))
    Buy.partial(task_id="xcom_in_row").expand_kwargs([{{"prompt": one(0)}}])
    shot.override(group_id="written").expand(prompt=["Take {{{{ 6 * 7 }}}}."])
"""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(speed=1000, render="fast", submit_seconds=0) as simulator:
        yield simulator


@pytest.fixture(scope="module", params=[False, True], ids=["text", "native"])
def run(
    request: pytest.FixtureRequest, simulator: Simulator, dags_folder: Path
) -> Iterator[tuple[Run, Simulator]]:
    simulator.reset()
    dag_id = f"rendering_{request.param}"
    text = TEXTS[1]
    source = DAG_FILE.format(texts=list(TEXTS), text=text, native=request.param, dag_id=dag_id)
    with pytest.MonkeyPatch.context() as patch:
        connect(patch, simulator.base_url, simulator.api_key)
        yield run_dag(dags_folder, dag_id, source, run_conf={"text": text}), simulator


def bought(run: tuple[Run, Simulator], task: str) -> str:
    ran, simulator = run
    prompt = (ask(simulator, ran.result(task)).payload or {})["prompt"]
    assert isinstance(prompt, str)
    return prompt


@pytest.mark.parametrize("number", range(len(TEXTS)), ids=TEXTS)
@pytest.mark.parametrize(
    "task",
    [
        "xcom_{}",
        "expand[{}]",
        "expand_kwargs[{}]",
        "expand_map[{}]",
        "literal[{}]",
        "payload[{}]",
        "shot.buy[{}]",
    ],
)
def test_data_is_kept_as_it_is(run: tuple[Run, Simulator], task: str, number: int) -> None:
    assert bought(run, task.format(number)) == TEXTS[number]


@pytest.mark.parametrize("number", range(len(TEXTS)), ids=TEXTS)
def test_data_within_a_subclass_field_is_kept_as_it_is(run: tuple[Run, Simulator], number: int) -> None:
    assert bought(run, f"styled[{number}]") == f"Noir. {TEXTS[number]}"


@pytest.mark.parametrize("number", range(len(TEXTS)), ids=TEXTS)
def test_a_template_beside_data_with_braces_is_rendered(run: tuple[Run, Simulator], number: int) -> None:
    """That of an argument whose field has another name, and that of default arguments."""
    ran, simulator = run
    assert bought(run, f"label_of_partial[{number}]") == TEXTS[number]
    assert ran.result(f"label_of_partial[{number}]", "request")["label"] == f"shot {number}"
    payload = ask(simulator, ran.result(f"defaults.of_group[{number}]")).payload or {}
    assert (payload["prompt"], payload["negative_prompt"]) == (TEXTS[number], "Not 42.")


@pytest.mark.parametrize("task", ["conf", "param"])
def test_what_a_template_reads_is_not_rendered_again(run: tuple[Run, Simulator], task: str) -> None:
    assert bought(run, task) == TEXTS[1]


@pytest.mark.parametrize(
    "task",
    [
        "template",
        "template_expand[0]",
        "template_kwargs[0]",
        "template_partial[0]",
        f"template_partial[{len(TEXTS) - 1}]",
        "written.buy[0]",
    ],
)
def test_a_template_of_the_dag_file_is_rendered(run: tuple[Run, Simulator], task: str) -> None:
    assert bought(run, task) == "Take 42."


@needs_airflow("3.0", "an XCom within a written row; Airflow 2 fails the task that returns it")
def test_an_xcom_within_a_written_row_is_read(run: tuple[Run, Simulator]) -> None:
    assert bought(run, "xcom_in_row[0]") == TEXTS[0]


# Every operator of the package, and any text.

EVERY: tuple[tuple[type[DataIsNoTemplate], dict[str, Any]], ...] = (
    (KlingImageToVideoOperator, {"image": "s3://stills/a.png", "prompt": "rise"}),
    (KlingTextToVideoOperator, {"prompt": "rise"}),
    (GMICloudRequestOperator, {"model": "m", "payload": {"prompt": "rise"}}),
    (PrepareFrameOperator, {"source": "s3://a/b.png", "destination": "s3://frames/{{ ti.map_index }}.png"}),
    (GMICloudRequestSensor, {"request_id": "r"}),
    (ClipToObjectStorageOperator, {"clip": "{{ 1 }}", "destination": "s3://clips/{{ ti.map_index }}.mp4"}),
)


class Rows:
    """A task instance whose upstream task returned rows."""

    map_index = 0

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.task: Any = None

    def xcom_pull(self, **_: Any) -> Any:
        return self.rows


def rendered(
    kind: type[DataIsNoTemplate], row: dict[str, Any], fixed: dict[str, Any], *, native: bool
) -> Any:
    """Return the task that Airflow makes of a row that an upstream task returned."""
    if Version("3.0") > AIRFLOW:
        pytest.skip("needs Airflow 3.0: a mapped task that is rendered without a database")
    with DAG("rows", schedule=None, render_template_as_native_obj=native) as dag:
        rows = KlingTextToVideoOperator(task_id="rows", prompt="rise")
        mapped: MappedOperator = kind.partial(task_id="task", **fixed).expand_kwargs(rows.output)
    run = SimpleNamespace(conf={})
    context: Any = {"ti": Rows([row]), "dag": dag, "dag_run": run, "word": "rendered"}
    mapped.render_template_fields(context, dag.get_template_env())
    return context["ti"].task


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(("kind", "fixed"), EVERY, ids=[kind.__name__ for kind, _ in EVERY])
def test_each_field_of_each_operator(
    kind: type[DataIsNoTemplate], fixed: dict[str, Any], native: bool
) -> None:
    for field in kind.template_fields:
        text = "{{ conn.x.password }}"
        argument = "label" if field == "clip_label" else field
        others = {name: value for name, value in fixed.items() if name != argument}
        row = {argument: {"prompt": text} if field == "payload" else text}
        assert getattr(rendered(kind, row, others, native=native), field) == row[argument], field


TEXT = st.text() | st.lists(
    st.sampled_from(["{{", "}}", "{%", "%}", "{#", "#}", "word", " ", "conn", ".", "'", '"', "7"])
).map("".join)


@given(text=TEXT, native=st.booleans())
def test_any_text_of_a_row_is_kept(text: str, native: bool) -> None:
    made = rendered(GMICloudRequestSensor, {"request_id": text}, {"model": "{{ word }}"}, native=native)
    assert (made.request_id, made.model) == (text, "rendered")


@given(text=TEXT)
def test_native_rendering_keeps_the_text_of_an_expression(text: str) -> None:
    with DAG("native", schedule=None, render_template_as_native_obj=True) as dag:
        made = KlingTextToVideoOperator(task_id="task", prompt="{{ text }}", negative_prompt="<{{ text }}>")
    made.render_template_fields({"text": text}, dag.get_template_env())  # type: ignore[typeddict-unknown-key]
    assert (made.prompt, made.negative_prompt) == (text, f"<{text}>")


@pytest.mark.parametrize("value", [None, 7, 2.5, True, {"uri": "s3://a/b"}, ["a"]])
def test_native_rendering_gives_the_object_of_an_expression(value: object) -> None:
    with DAG("native", schedule=None, render_template_as_native_obj=True) as dag:
        made = KlingImageToVideoOperator(task_id="task", image="{{ value }}", prompt="rise")
    made.render_template_fields({"value": value}, dag.get_template_env())  # type: ignore[typeddict-unknown-key]
    assert made.image == value


NOTHING = ("{{ value }}", "{{ params.x }}", "{% if 1 %}{{ value }}{% endif %}")


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("template", NOTHING)
def test_none_means_not_given_in_every_field(template: str, native: bool) -> None:
    """The field takes its argument's default, or None if it has none. A limit is never taken away."""
    for kind, fixed in EVERY:
        for field in kind.template_fields:
            if field == "payload":
                continue
            argument = "label" if field == "clip_label" else field
            with DAG("nothing", schedule=None, render_template_as_native_obj=native) as dag:
                made = kind(task_id="task", **(fixed | {argument: template}))
                plain = kind(task_id="plain", **fixed)
            context: Any = {"value": None, "params": {"x": None}, "ti": SimpleNamespace(map_index=-1)}
            made.render_template_fields(context, dag.get_template_env())
            expected = "None" if field == "max_cost_usd" else getattr(plain, field)
            expected = None if argument in fixed else expected
            assert getattr(made, field) == expected, (kind, field)


@pytest.mark.parametrize("native", [False, True])
def test_none_within_a_text_is_refused(native: bool) -> None:
    with DAG("within", schedule=None, render_template_as_native_obj=native) as dag:
        made = KlingTextToVideoOperator(task_id="task", prompt="A {{ value }} ship.")
        free = KlingTextToVideoOperator(task_id="free", prompt="A {{ value or 'fast' }} ship. None.")
    with pytest.raises(InvalidArgument, match="without a value"):
        made.render_template_fields({"value": None}, dag.get_template_env())  # type: ignore[typeddict-unknown-key]
    free.render_template_fields({"value": None}, dag.get_template_env())  # type: ignore[typeddict-unknown-key]
    assert free.prompt == "A fast ship. None."


@pytest.mark.parametrize("native", [False, True])
def test_an_undefined_name_is_an_error(native: bool) -> None:
    with DAG("undefined", schedule=None, render_template_as_native_obj=native) as dag:
        made = KlingTextToVideoOperator(task_id="task", prompt="{{ nothing }}")
    with pytest.raises(jinja2.UndefinedError, match="nothing"):
        made.render_template_fields({}, dag.get_template_env())


@pytest.mark.parametrize("native", [False, True])
def test_what_a_template_gave_is_not_rendered_once_more(native: bool) -> None:
    """``dag.test()`` of Airflow 2 renders the same task again when it resumes."""
    with DAG("again", schedule=None, render_template_as_native_obj=native) as dag:
        made = KlingTextToVideoOperator(task_id="task", prompt="{{ value }}", label="{{ later }}")
    context: Any = {"value": "{{ conn.x.password }}", "later": "one"}
    made.render_template_fields(context, dag.get_template_env())
    made.clip_label = "{{ later }} more"
    made.render_template_fields(context, dag.get_template_env())
    assert made.prompt == "{{ conn.x.password }}"
    assert made.clip_label == "one more"
