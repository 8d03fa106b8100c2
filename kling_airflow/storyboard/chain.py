"""Chains: shots that begin on the last frame of another shot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from kling_airflow.storyboard.problems import Problem
from kling_airflow.storyboard.shot import Shot


def chain_problems(shots: Sequence[Shot]) -> list[Problem]:
    """Return what is wrong with the chains: a shot that isn't there, or a circle."""
    by_name = {shot.name: shot for shot in shots}
    problems = []
    for shot in shots:
        if shot.continues is None:
            continue
        what = None
        if shot.continues == shot.name:
            what = "names the shot itself"
        elif shot.continues not in by_name:
            close = get_close_matches(shot.continues, by_name, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            what = f"is {shot.continues!r}; there is no such shot{hint}"
        elif _in_circle(shot, by_name):
            what = f"is {shot.continues!r}, and that shot continues this one in the end: it is a circle"
        if what is not None:
            problems.append(Problem(what, "continues", f"shot {shot.name!r}", shot.line))
    return problems


def follow(shots: Sequence[Shot], name: str) -> set[str]:
    """Return the names of all shots that hang on one: those that continue it, and so on."""
    found: set[str] = set()
    todo = [name]
    while todo:
        before = todo.pop()
        after = [shot.name for shot in shots if shot.continues == before and shot.name not in found]
        found.update(after)
        todo += after
    return found


def _in_circle(shot: Shot, by_name: Mapping[str, Shot]) -> bool:
    seen: set[str] = set()
    each: Shot | None = shot
    while each is not None and each.continues is not None and each.name not in seen:
        seen.add(each.name)
        each = by_name.get(each.continues)
        if each is shot:
            return True
    return False
