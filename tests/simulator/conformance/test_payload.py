"""Section "Payload" of the wire contract, and the siblings' payloads."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from kling_airflow.simulator import Account, Simulator
from tests.simulator.client import FRAME, GOOD, MODEL, Queue, base64_picture, message, picture
from tests.simulator.conformance.rows import row
from tests.simulator.fixture_types import Started

TURBO = "kling-3.0-turbo-i2v"
REJECTED = "Generation rejected; please review the prompt and parameters then retry"


def refused(queue: Queue, **payload: Any) -> str:
    """The text of the 400 that a payload gets."""
    answer = queue.post(GOOD | payload)
    assert answer.status_code == 400, answer.text
    return message(answer)


@row("`prompt`: required, up to 2500 characters", "doc")
def test_prompt(queue: Queue) -> None:
    queue.submit(prompt="ä" * 2500)
    assert refused(queue, prompt="x" * 2501) == (
        "invalid payload parameters: prompt (Value must be at most 2500 characters)"
    )
    for empty in ("", None, "  "):
        assert "prompt (Required parameter is missing)" in refused(queue, prompt=empty)
    assert "prompt (" in refused(queue, prompt=5)


@row("`image`: required; the key is `image`", "doc")
def test_image_is_required(queue: Queue) -> None:
    answer = queue.post({"prompt": "p", "image_url": FRAME})
    assert "image (Required parameter is missing)" in message(answer)


@row("... a URL", "doc")
def test_image_as_a_url(queue: Queue, frame_server: str) -> None:
    assert queue.finished(queue.submit(image=f"{frame_server}/frame.png"))["status"] == "success"


@row("... or Base64 without a prefix", "seen")
def test_image_as_base64(queue: Queue) -> None:
    assert queue.finished(queue.submit(image=FRAME))["status"] == "success"


@row("... never with a `data:` prefix (option `base64_prefix`)", "doc")
def test_data_prefix_is_refused(queue: Queue, started: Started) -> None:
    prefixed = f"data:image/jpeg;base64,{FRAME}"
    assert refused(queue, image=prefixed) == REJECTED
    _, lenient = started(base64_prefix=True)
    assert lenient.submit(image=prefixed)


@row("Whether Base64 is taken at all is an option (`base64_frames`)", "assumed")
def test_base64_can_be_off(started: Started) -> None:
    _, queue = started(base64_frames=False)
    assert refused(queue) == REJECTED


@row("`image_tail`: optional end frame, as `image`", "doc")
def test_image_tail(queue: Queue) -> None:
    queue.submit(image_tail=base64_picture(color="red"))
    assert refused(queue, image_tail="bm8gaW1hZ2U=") == REJECTED


@row("`negative_prompt`: optional, up to 2500 characters", "doc")
def test_negative_prompt(queue: Queue) -> None:
    queue.submit(negative_prompt="x" * 2500)
    assert "negative_prompt (Value must be at most 2500" in refused(queue, negative_prompt="x" * 2501)


@row('`duration`: an enum of the strings "3" to "15"', "doc")
def test_duration(queue: Queue) -> None:
    for seconds in ("3", "5", "15"):
        queue.submit(duration=seconds)
    for wrong in ("2", "16", "05", "5.0", "5s", " 5", 2, 16, 5.0, True, ["5"]):
        assert "duration (Value must be one of the allowed options: 3, 4, 5" in refused(queue, duration=wrong)


@row('... default "5"', "doc")
def test_duration_default(sim: Simulator, queue: Queue) -> None:
    queue.submit()
    assert sim.ledger()[0].amount_usd == 0.84


@row("Integer durations are taken, or refused (`strict_enums`)", "assumed")
def test_integer_durations(queue: Queue, started: Started) -> None:
    assert queue.submit(duration=10)
    _, strict = started(strict_enums=True)
    assert "duration (Value must be one of the allowed options" in refused(strict, duration=10)


@row('`sound`: "on" or "off"; does not conflict with `image_tail`', "doc")
def test_sound(queue: Queue) -> None:
    queue.submit(sound="on", image_tail=FRAME)
    queue.submit(sound="off")
    for wrong in (True, "On", "true", 1):
        assert "sound (Value must be one of the allowed options: on, off)" in refused(queue, sound=wrong)


@row(
    "No `aspect_ratio`, `mode` or `cfg_scale` here; unknown keys are refused or ignored (`unknown_keys`)",
    "assumed",
)
@pytest.mark.parametrize("key", ["aspect_ratio", "mode", "cfg_scale", "image_tial"])
def test_unknown_keys(queue: Queue, started: Started, key: str) -> None:
    assert refused(queue, **{key: "x"}) == f"invalid payload parameters: {key} (Unknown parameter)"
    _, lenient = started(unknown_keys="ignore")
    assert lenient.submit(**{key: "x"})


@row("Input images are JPEG or PNG", "doc")
def test_formats(queue: Queue) -> None:
    queue.submit(image=base64_picture(kind="PNG"))
    for kind in ("GIF", "WEBP", "BMP"):
        assert refused(queue, image=base64_picture(kind=kind)) == REJECTED


@row("... at most 10 MB", "doc")
def test_image_size(queue: Queue) -> None:
    limit = 10 * 1024 * 1024
    data = picture()
    queue.submit(image=base64.b64encode(data.ljust(limit, b"\0")).decode())
    assert refused(queue, image=base64.b64encode(data.ljust(limit + 1, b"\0")).decode()) == REJECTED


@row("... both sides at least 300 pixels", "doc")
def test_image_sides(queue: Queue) -> None:
    queue.submit(image=base64_picture(width=300, height=300))
    for shape in ({"width": 299, "height": 400}, {"width": 400, "height": 299}):
        assert refused(queue, image=base64_picture(**shape)) == REJECTED


@row("... of a shape between 1:2.5 and 2.5:1", "doc")
def test_image_ratio(queue: Queue) -> None:
    for shape in ({"width": 750, "height": 300}, {"width": 300, "height": 750}):
        queue.submit(image=base64_picture(**shape))
    for shape in ({"width": 751, "height": 300}, {"width": 300, "height": 751}):
        assert refused(queue, image=base64_picture(**shape)) == REJECTED


@row("A frame whose pixels don't decode fails the generation", "assumed")
def test_truncated_image(started: Started) -> None:
    simulator, queue = started(render="full")
    noise = Image.effect_noise((640, 480), 80).convert("RGB")
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    half = base64.b64encode(buffer.getvalue()[: len(buffer.getvalue()) // 2]).decode()
    record = queue.finished(queue.submit(image=half))
    assert (record["status"], record["outcome"]["error"]) == ("failed", REJECTED)
    assert simulator.ledger()[0].billed is False


@row("URL inputs must be readable by anyone", "doc")
@pytest.mark.parametrize("path", ["/secret.png", "/missing.png", "/endless-redirect"])
def test_private_url(started: Started, frame_server: str, path: str) -> None:
    _, queue = started(unreachable_frames="refused")
    answer = queue.post({"prompt": "p", "image": frame_server + path})
    assert (answer.status_code, message(answer)) == (500, "Backend error (400). Please try again.")


@row("An unusable frame behind a URL is refused on the POST, or fails later", "seen")
@pytest.mark.parametrize("when", ["refused", "late"])
def test_unusable_url(started: Started, frame_server: str, when: str) -> None:
    _, queue = started(unreachable_frames=when)
    answer = queue.post({"prompt": "p", "image": frame_server + "/page.html"})
    if when == "refused":
        assert (answer.status_code, message(answer)) == (400, REJECTED)
    else:
        assert queue.finished(answer.json()["request_id"])["outcome"]["error"] == REJECTED


@row("Price: $0.168 a second, $0.252 with sound", "doc")
@pytest.mark.parametrize(
    ("payload", "usd"),
    [
        ({}, 0.84),
        ({"sound": "on"}, 1.26),
        ({"duration": "15", "sound": "on"}, 3.78),
        ({"duration": "3"}, 0.504),
    ],
)
def test_price(sim: Simulator, queue: Queue, payload: dict[str, str], usd: float) -> None:
    queue.submit(**payload)
    assert sim.ledger()[0].amount_usd == usd


@row("Held when the request is created", "seen")
def test_credit_is_held(started: Started) -> None:
    _, queue = started(accounts=[Account(key="k", credit_usd=1.68)], generation_seconds=1e9)
    queue.submit()
    queue.submit()
    assert queue.post(GOOD).status_code == 402


@row("Failed requests are not billed", "seen")
def test_failed_is_not_billed(started: Started) -> None:
    simulator, queue = started(accounts=[Account(key="k", credit_usd=1.0)])
    simulator.fail_next("no")
    queue.finished(queue.submit())
    assert simulator.ledger()[0].amount_usd == 0
    queue.finished(queue.submit())
    assert queue.post(GOOD).status_code == 402
    assert sum(entry.amount_microusd for entry in simulator.ledger()) == 840_000


@row("Siblings share the envelope with other keys: `kling-v3-text-to-video`", "doc")
def test_text_to_video(queue: Queue) -> None:
    request_id = queue.submit("kling-v3-text-to-video", prompt="p", aspect_ratio="9:16")
    assert queue.finished(request_id)["status"] == "success"
    answer = queue.post(GOOD, "kling-v3-text-to-video")
    assert message(answer) == "invalid payload parameters: image (Unknown parameter)"


@row("... `kling-3.0-turbo-i2v`: `first_frame`, `resolution`", "doc")
def test_turbo(queue: Queue) -> None:
    assert queue.submit(TURBO, prompt="p", first_frame=FRAME, resolution="1080p")
    assert "first_frame (Required" in message(queue.post(GOOD, TURBO))
    assert message(queue.post({"prompt": "p", "first_frame": "bm8="}, TURBO)) == REJECTED


@row("... its `prompt` is optional, up to 2500 characters", "doc")
def test_turbo_without_a_prompt(queue: Queue) -> None:
    assert queue.finished(queue.submit(TURBO, first_frame=FRAME))["status"] == "success"
    answer = queue.post({"first_frame": FRAME, "prompt": "x" * 2501}, TURBO)
    assert (answer.status_code, message(answer)) == (
        400,
        "invalid payload parameters: prompt (Value must be at most 2500 characters)",
    )


@row("... its `resolution` is 720p (default) or 1080p", "doc")
@pytest.mark.parametrize("wrong", ["480p", "4k", "1080", 1080, True, ["720p"]])
def test_turbo_resolution(queue: Queue, wrong: Any) -> None:
    answer = queue.post({"first_frame": FRAME, "resolution": wrong}, TURBO)
    assert (answer.status_code, message(answer)) == (
        400,
        "invalid payload parameters: resolution (Value must be one of the allowed options: 720p, 1080p)",
    )


@row('... its `duration` is an enum of the strings "3" to "15"', "assumed")
@pytest.mark.parametrize("wrong", ["2", "16", "5s", 2, 16, 5.0])
def test_turbo_duration(queue: Queue, wrong: Any) -> None:
    for seconds in ("3", "15"):
        queue.submit(TURBO, first_frame=FRAME, duration=seconds)
    answer = queue.post({"first_frame": FRAME, "duration": wrong}, TURBO)
    assert answer.status_code == 400
    assert "duration (Value must be one of the allowed options: 3, 4, 5" in message(answer)


@row("... it has no sound, no end frame and no other frame key", "assumed")
@pytest.mark.parametrize("key", ["sound", "image_tail", "end_frame", "aspect_ratio"])
def test_turbo_has_no_other_keys(queue: Queue, key: str) -> None:
    answer = queue.post({"first_frame": FRAME, key: "on"}, TURBO)
    assert (answer.status_code, message(answer)) == (
        400,
        f"invalid payload parameters: {key} (Unknown parameter)",
    )


@row("... its price: $0.112 a second at 720p, $0.14 at 1080p", "doc")
@pytest.mark.parametrize(
    ("payload", "usd"),
    [
        ({}, 0.56),
        ({"resolution": "720p", "duration": "3"}, 0.336),
        ({"resolution": "1080p"}, 0.70),
        ({"resolution": "1080p", "duration": "15"}, 2.10),
    ],
)
def test_turbo_price(sim: Simulator, queue: Queue, payload: dict[str, str], usd: float) -> None:
    queue.submit(TURBO, first_frame=FRAME, **payload)
    assert sim.ledger()[0].amount_usd == usd


@row("... the catalogue shows its price", "doc")
def test_turbo_price_in_the_catalogue(queue: Queue) -> None:
    described = queue.call("GET", f"/models/{TURBO}").json()
    assert (described["price_info"]["price"], described["price_info"]["unit"]) == (112_000, "second")
    assert described["pricing_details"] == "$0.112 per second, $0.14 at 1080p"
    parameters = {parameter["name"]: parameter for parameter in described["parameters"]}
    assert [name for name in parameters if parameters[name]["required"]] == ["first_frame"]
    assert parameters["resolution"]["options"] == ["720p", "1080p"]


BY_RULE = {
    "kling-v3-omni": ["prompt", "aspect_ratio"],
}
"""What is required by a rule that spans several keys: the catalogue doesn't call those keys required."""


def test_every_model_tells_its_own_parameters(queue: Queue) -> None:
    for model_id in queue.call("GET", "/models").json()["model_ids"]:
        if model_id == "kling-identify-face":
            continue  # exactly one of two keys
        described = queue.call("GET", f"/models/{model_id}").json()
        required = [p["name"] for p in described["parameters"] if p["required"]]
        text = message(queue.post({}, model_id))
        required = required or BY_RULE[model_id]
        assert text == "invalid payload parameters: " + ", ".join(
            f"{name} (Required parameter is missing)" for name in required
        )
    assert MODEL == "kling-v3-image-to-video"
