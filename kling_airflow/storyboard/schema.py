"""The published JSON Schema of a storyboard: for editors, and for programs that write storyboards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from kling_airflow.models import Choice, Option, Seconds, Switch, Text, spec_of
from kling_airflow.storyboard.check import MAX_CLIPS, MAX_TAKES, NAME, OF_A_SHOT_ALONE
from kling_airflow.storyboard.shot import FIELDS, SHOT_MODELS
from kling_airflow.storyboard.tree import VERSION

SCHEMA_VERSION: Final = VERSION
"""The version of the schema; a later one that refuses what this one allows has another number."""
SCHEMA_FILE: Final = Path(__file__).parent / f"storyboard-{SCHEMA_VERSION}.schema.json"
_SWITCH: Final[dict[str, Any]] = {"type": ["boolean", "string"]}
_WORDS: Final = {
    "name": "Names the shot's files and tells its orders from those of other shots.",
    "frame": "Address of the start frame; a relative one begins in the storyboard's folder.",
    "end_frame": "Address of the end frame.",
    "prompt": "What happens in the clip.",
    "negative_prompt": "What to keep out.",
    "duration": "Seconds.",
    "sound": "Whether the clip gets an audio track.",
    "resolution": "For a model that has resolutions.",
    "aspect_ratio": "For a model that begins on no frame.",
    "model": "The model's id.",
    "takes": "How many takes are made; each is bought.",
    "continues": "true: begin on the last frame of the shot before; or the name of another shot.",
}


def published_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12), as the package's file and the docs have it."""
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return loaded


def make_schema() -> dict[str, Any]:
    """Return the JSON Schema, made from the table of models."""
    shot = {field: _field(field) for field in FIELDS}
    defaults = {field: value for field, value in shot.items() if field not in OF_A_SHOT_ALONE}
    shots = {"type": "array", "minItems": 1, "maxItems": MAX_CLIPS, "items": {"$ref": "#/$defs/shot"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:kling-airflow:storyboard:{SCHEMA_VERSION}",
        "title": f"Storyboard of kling_airflow, version {SCHEMA_VERSION}",
        "anyOf": [{"$ref": "#/$defs/shots"}, {"$ref": "#/$defs/storyboard"}],
        "$defs": {
            "shots": shots,
            "storyboard": {
                "type": "object",
                "required": ["shots"],
                "additionalProperties": False,
                "properties": {
                    "$schema": {"type": "string"},
                    "version": {"enum": [SCHEMA_VERSION, str(SCHEMA_VERSION)]},
                    "title": {"type": "string"},
                    "defaults": {"type": "object", "additionalProperties": False, "properties": defaults},
                    "shots": {"$ref": "#/$defs/shots"},
                },
            },
            "shot": {
                "type": "object",
                "required": ["name"],
                "additionalProperties": False,
                "properties": shot,
            },
        },
    }


def write_schema() -> None:
    """Write the package's file anew: ``python -m kling_airflow.storyboard.schema``."""
    SCHEMA_FILE.write_text(json.dumps(make_schema(), indent=2) + "\n", encoding="utf-8")


def _field(field: str) -> dict[str, Any]:
    return {"description": _WORDS[field], **_rule(field)}


def _rule(field: str) -> dict[str, Any]:
    match field:
        case "name":
            return {"type": "string", "pattern": rf"^{NAME.pattern}$"}
        case "frame" | "end_frame":
            return {"type": "string", "minLength": 1}
        case "model":
            return {"enum": list(SHOT_MODELS)}
        case "takes":
            return {"type": "integer", "minimum": 1, "maximum": MAX_TAKES}
        case "continues":
            return _SWITCH
        case _:
            return _option(field)


def _option(field: str) -> dict[str, Any]:
    """Return the rule of a model's option; of several models the widest."""
    options: list[Option] = [
        spec.options[field] for spec in map(spec_of, SHOT_MODELS) if field in spec.options
    ]
    match options[0]:
        case Text():
            return {"type": "string", "maxLength": max(o.most for o in options if isinstance(o, Text))}
        case Seconds():
            seconds = [option for option in options if isinstance(option, Seconds)]
            least, most = min(o.least for o in seconds), max(o.most for o in seconds)
            return {"type": "integer", "minimum": least, "maximum": most}
        case Switch():
            return _SWITCH
        case _:
            values = [value for o in options if isinstance(o, Choice) for value in o.values]
            return {"enum": list(dict.fromkeys(values))}


if __name__ == "__main__":
    write_schema()
