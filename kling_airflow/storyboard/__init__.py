"""Storyboards: shots read from a file or a list, checked, and priced before any clip is bought.

Usable without Airflow. Importing this package costs nothing; a public name is loaded when it is first used::

    from kling_airflow.storyboard import Storyboard

    board = Storyboard.load("shots.yaml")  # or .json, .csv, an ObjectStoragePath, a list of dicts
    print(board.price().total_usd)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.storyboard.board import Storyboard
    from kling_airflow.storyboard.price import StoryboardPrice
    from kling_airflow.storyboard.problems import InvalidStoryboard, Problem
    from kling_airflow.storyboard.schema import SCHEMA_VERSION, published_schema
    from kling_airflow.storyboard.shot import Shot

__all__ = [
    "SCHEMA_VERSION",
    "InvalidStoryboard",
    "Problem",
    "Shot",
    "Storyboard",
    "StoryboardPrice",
    "published_schema",
]

_HOME = {
    "SCHEMA_VERSION": "schema",
    "InvalidStoryboard": "problems",
    "Problem": "problems",
    "Shot": "shot",
    "Storyboard": "board",
    "StoryboardPrice": "price",
    "published_schema": "schema",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
