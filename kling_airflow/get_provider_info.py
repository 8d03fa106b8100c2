"""What Airflow discovers: the hook and its connection form, the links, the configuration."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, as the entry point ``apache_airflow_provider`` wants it.

    The 3.3 UI builds the connection form from ``conn-fields`` and ``ui-field-behaviour`` alone and
    never imports the hook, so both stand here.
    """
    return {
        "package-name": "kling-airflow",
        "name": "Kling on GMI Cloud",
        "description": "Still frames into video clips with Kling v3 on GMI Cloud, each paid for once.",
        "integrations": [
            {
                "integration-name": "GMI Cloud",
                "external-doc-url": "https://docs.gmicloud.ai",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": "GMI Cloud", "python-modules": ["kling_airflow.hooks.gmi"]}],
        "operators": [
            {
                "integration-name": "GMI Cloud",
                "python-modules": [
                    "kling_airflow.operators.image_to_video",
                    "kling_airflow.operators.text_to_video",
                    "kling_airflow.operators.omni",
                    "kling_airflow.operators.create_element",
                    "kling_airflow.operators.request",
                    "kling_airflow.operators.frames",
                    "kling_airflow.operators.storyboard",
                    "kling_airflow.operators.extract_frame",
                    "kling_airflow.operators.join_clips",
                    "kling_airflow.operators.check_takes",
                    "kling_airflow.operators.approve_takes",
                ],
            }
        ],
        "sensors": [{"integration-name": "GMI Cloud", "python-modules": ["kling_airflow.sensors.request"]}],
        "triggers": [
            {
                "integration-name": "GMI Cloud",
                "python-modules": ["kling_airflow.triggers.request", "kling_airflow.triggers.storyboard"],
            }
        ],
        "transfers": [
            {
                "source-integration-name": "GMI Cloud",
                "target-integration-name": "Object Storage",
                "python-module": "kling_airflow.transfers.clip_to_storage",
            }
        ],
        "task-decorators": [
            {
                "name": "kling_image_to_video",
                "class-name": "kling_airflow.decorators.image_to_video.image_to_video_task",
            },
            {
                "name": "kling_storyboard",
                "class-name": "kling_airflow.decorators.storyboard.storyboard_task",
            },
        ],
        "connection-types": [
            {
                "connection-type": "gmi_cloud",
                "hook-name": "GMI Cloud",
                "hook-class-name": "kling_airflow.hooks.gmi.GMICloudHook",
                "ui-field-behaviour": {
                    # The port is there for the UI's *Test* button alone, which Airflow 3.3 refuses to press
                    # for a connection without one (docs/connection.md).
                    "hidden-fields": ["login", "schema", "extra"],
                    "relabeling": {"password": "API key", "host": "Base URL"},
                    "placeholders": {
                        "host": "https://console.gmicloud.ai",
                        "password": "the key from the GMI Cloud console",
                        "port": "443, if Test says Bad Request (Airflow 3.3)",
                    },
                },
                "conn-fields": {
                    "organization_id": {
                        "label": "Organization ID",
                        "description": "Only for a key that belongs to several organizations.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "max_calls_per_second": {
                        "label": "Calls per second, at most",
                        "description": "For the wait in the triggerer; empty for [kling] in airflow.cfg.",
                        "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
                    },
                },
            }
        ],
        "config": {
            "kling": {
                "description": "Clips of Kling on GMI Cloud: waiting for them, and never buying one twice.",
                "options": {
                    "ledger": {
                        "description": (
                            "The address of a ledger in an object store, which keeps a record of every"
                            " submission in place of Airflow's task state store. An operator's own `ledger`"
                            " overrides it. Needs `deployment`."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://bucket/kling-ledger",
                        "default": None,
                    },
                    "deployment": {
                        "description": (
                            "The name of this Airflow in an object-storage ledger, so that dev and prod never"
                            " take each other's requests for their own. Lower case letters, digits, `_`,"
                            " `.` and `-`."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "prod",
                        "default": None,
                    },
                    "budgets": {
                        "description": (
                            "What may be spent, as a JSON list: each entry has `usd`, `per` (day, month or"
                            " ever; UTC), and `dag`, `tag` or `connection` (a name, or `*` for each). A task"
                            " claims the price of each clip before it is bought. Needs `ledger` and"
                            " `deployment`."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": '[{"usd": 100, "per": "day"}, {"usd": 20, "dag": "*"}]',
                        "default": None,
                    },
                    "gallery": {
                        "description": (
                            "The folder whose clips and films the gallery in Airflow's UI shows (3.1 and"
                            " later). Landings below it keep an index in its folder `.kling-gallery`."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://clips",
                        "default": None,
                    },
                    "min_poll_interval": {
                        "description": (
                            "Seconds between two polls of one request, at least: a task that asks for less is"
                            " refused."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "5",
                        "default": "1.0",
                    },
                    "late_arrival_margin": {
                        "description": (
                            "Seconds in which the queue may still create a request after its POST has timed"
                            " out. A request that it creates later can be bought twice; a larger margin means"
                            " a longer search for a request whose answer was lost."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "300",
                        "default": "30.0",
                    },
                    "allowed_sources": {
                        "description": (
                            "Places that a task may read frames from if the address came from a Param,"
                            " `conf`, an XCom or other data: schemes, hosts and prefixes, between blanks."
                            " Private hosts and `file://` only if they are named. Addresses in a DAG's code"
                            " are not confined. The gallery reads frames that sidecars name in these places."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "https:// s3://stills http://intranet.example:8080 file:///data/frames",
                        "default": "https:// http:// s3:// s3a:// s3n:// gs:// gcs:// abfs:// abfss://",
                    },
                    "allowed_destinations": {
                        "description": "The same for the places that a task may write to.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://frames s3://clips file:///data/clips",
                        "default": "s3:// s3a:// s3n:// gs:// gcs:// abfs:// abfss://",
                    },
                    "max_calls_per_second": {
                        "description": (
                            "How often all triggerers together may ask one connection's queue, whatever the"
                            " number of waiting tasks. A connection's own `max_calls_per_second` goes before"
                            " it."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "10",
                        "default": "50",
                    },
                    "triggerers": {
                        "description": (
                            "How many triggerers share `max_calls_per_second`. With `ledger`, the triggerers"
                            " count each other in its folder, and this number is used until they have."
                        ),
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": "2",
                        "default": "1",
                    },
                },
            }
        },
        "extra-links": [
            "kling_airflow.links.RequestLink",
            "kling_airflow.links.ClipLink",
            "kling_airflow.links.GalleryLink",
            "kling_airflow.links.ReportLink",
        ],
    }
