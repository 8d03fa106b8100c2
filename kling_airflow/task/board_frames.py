"""The frames of a storyboard, all read and checked before the first of its clips is bought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.errors import DownloadFailed, InvalidArgument, KlingError
from kling_airflow.storyboard.problems import InvalidStoryboard, Problem
from kling_airflow.task.shot_orders import ShotLog
from kling_airflow.task.shot_threads import in_threads

if TYPE_CHECKING:
    from kling_airflow.storyboard.board import Storyboard
    from kling_airflow.storyboard.shot import Shot
    from kling_airflow.task.shot_progress import ShotProgress
    from kling_airflow.task.storyboard_run import StoryboardRun

_Frames = tuple[str | None, str | None]


def refuse_bad_frames(board: Storyboard, run: StoryboardRun) -> None:
    """Refuse a storyboard with a frame that can't be read or used, naming all such shots.

    Each frame is read once more when its shot is submitted: the frames of a storyboard are too much to hold.

    :raises InvalidStoryboard: if no retry would help.
    :raises KlingError: if one might, such as when the store does not answer.
    :raises Stopped: if the task was told to end.
    """
    found: dict[_Frames, KlingError] = {}

    def check(take: ShotProgress) -> None:
        run.orders.stop.check()
        shot = run.shots[take.shot]
        try:
            run.orders.frames.read(shot, ShotLog(run.log, shot.name), run.store)
        except KlingError as error:
            found[_frames(shot)] = error

    first = {_frames(shot): shot.name for shot in reversed(board.shots) if any(_frames(shot))}
    takes = {each.shot: each for each in run.progress.takes.values() if each.take == 1}
    if first:
        in_threads([(takes[name], check) for name in first.values()], run.orders.stop)
    bad = {shot.name: shot for shot in board if _frames(shot) in found}
    if any(map(_is_final, found.values())):
        problems = [
            Problem(found[_frames(shot)].what, shot=f"shot {name!r}", line=shot.line)
            for name, shot in bad.items()
        ]
        raise InvalidStoryboard(board.file, problems)
    for name, shot in bad.items():
        raise found[_frames(shot)].named(f"Shot {name}")


def _frames(shot: Shot) -> _Frames:
    """Return what is read of a shot; many shots may begin on one picture, which is read once."""
    return shot.frame, shot.end_frame


def _is_final(error: KlingError) -> bool:
    """Whether the frame has to be changed: a retry would meet the same."""
    gone = isinstance(error, DownloadFailed) and (error.gone or not error.retryable)
    return gone or isinstance(error, InvalidArgument)
