"""The sidecars' published schemas: sound in themselves, and what a landing writes fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import kling_airflow.media
from kling_airflow.clip import Clip
from kling_airflow.media.landing import LandingOptions, land
from kling_airflow.media.sidecar import Asked, Sidecar
from tests.media.file_server import FileServer
from tests.media.movies import write_clip
from tests.media.test_landing import Shelf

FOLDER = Path(kling_airflow.media.__file__).parent / "schemas"


def schema(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}-sidecar-{Sidecar.VERSION}.schema.json").read_text())  # type: ignore[no-any-return]


CLIP, FILM = schema("clip"), schema("film")


@pytest.mark.parametrize("rules", [CLIP, FILM], ids=["clip", "film"])
def test_a_schema_is_one(rules: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(rules)
    assert rules["additionalProperties"] is False
    assert sorted(rules["required"]) == sorted(rules["properties"])
    assert rules["$id"].endswith(f"-sidecar-{Sidecar.VERSION}.schema.json")


@pytest.mark.parametrize("known", [True, False])
def test_a_landings_sidecar_fits(tmp_path: Path, known: bool) -> None:
    movie = write_clip(tmp_path / "m.mp4", frames=25, size=(64, 48), sound=True)
    shelf = Shelf(tmp_path / "shelf")
    shelf.folder.mkdir()
    clip = Clip(request_id="r")
    asked, options = Asked(), LandingOptions(with_poster=False)
    if known:
        clip = Clip(
            request_id="r",
            model="kling",
            cost_usd=1.26,
            submitted_at="2026-11-23T04:00:00+00:00",
            finished_at="2026-11-23T04:02:45+00:00",
        )
        frame = {"uri": "s3://frames/x.png", "sha256": "00"}
        asked = Asked(duration=1, sound=True, prompt="A rocket.", frames=[frame])
        options = LandingOptions(
            landed_by={"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "loop": "2"}
        )
    with FileServer(movie.read_bytes()).running() as server:
        made = {name: getattr(clip, name) for name in clip.__dataclass_fields__}
        land(Clip(**made | {"video_url": server.url}), shelf.places(), asked=asked, options=options)
    said = json.loads((shelf.folder / "x.json").read_bytes())
    jsonschema.validate(said, CLIP, format_checker=jsonschema.FormatChecker())
    for field in ("request_id", "clip", "landed_at", "credentials"):
        broken = {name: value for name, value in said.items() if name != field}
        with pytest.raises(jsonschema.ValidationError, match=field):
            jsonschema.validate(broken, CLIP)
