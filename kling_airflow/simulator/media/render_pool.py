"""A pool of renderer processes. Each clip is rendered once and kept by its content."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kling_airflow.simulator.media.render import Job, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kling_airflow.simulator.media.frames import Frame

RENDERER_VERSION = "1"
FAST_SIZE = (160, 90)
_SHAPES = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (720, 720)}


class RenderError(Exception):
    """A clip could not be rendered: a frame does not decode, or the renderer process ended."""


@dataclass(frozen=True, slots=True)
class Media:
    """A clip and its thumbnail on disk."""

    clip: Path
    thumbnail: Path | None
    content_type: str = "video/mp4"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a clip shows.

    :param aspect_ratio: the shape if there is no start frame.
    """

    start: Frame | None
    end: Frame | None
    seconds: int
    sound: bool
    words: str
    aspect_ratio: str = "16:9"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels: the start frame's shape at 720p."""
        if self.start is None:
            return _SHAPES.get(self.aspect_ratio, _SHAPES["16:9"])
        return size_of(self.start.width, self.start.height)


class RenderPool:
    """Renders scenes, each once.

    :param workers: how many processes.
    :param fast: use one tiny clip for each duration and sound instead.
    :param folder: where clips are kept; None is a temporary folder.
    """

    def __init__(self, workers: int, *, fast: bool, folder: Path | None) -> None:
        self._fast = fast
        self._keep = folder is not None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="gmi-simulator-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="renderer")
        self._local = threading.local()
        self._processes: list[subprocess.Popen[str]] = []
        self._running: dict[str, asyncio.Task[Media]] = {}

    async def render(self, scene: Scene) -> Media:
        """Return the clip of a scene, rendered now or earlier.

        :raises RenderError: when a frame does not decode.
        """
        key = self.key_of(scene)
        media = Media(self.folder / f"{key}.mp4", self.folder / f"{key}.jpg")
        if media.clip.exists():
            return media
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._render(scene, key, media))
            self._running[key] = task
            task.add_done_callback(lambda done: self._rendered(key, done))
        return await asyncio.shield(task)

    def write(self, name: str, data: bytes) -> Path:
        """Write bytes to a file in the folder; return its path."""
        path = self.folder / name
        path.write_bytes(data)
        return path

    def close(self) -> None:
        """Stop the processes; remove the clips if the folder is temporary."""
        for task in self._running.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _render(self, scene: Scene, key: str, media: Media) -> Media:
        frames = {} if self._fast else {"start": scene.start, "end": scene.end}
        files: dict[str, str | None] = {"start": None, "end": None}
        for role, frame in frames.items():
            if frame is not None:
                files[role] = str(self.write(f"{key}.{uuid.uuid4()}.{role}", frame.data))
        width, height = FAST_SIZE if self._fast else scene.size
        job = Job(
            start=files["start"],
            end=files["end"],
            seconds=scene.seconds,
            sound=scene.sound,
            width=width,
            height=height,
            words=scene.words,
            clip=str(media.clip),
            thumbnail=str(media.thumbnail),
        )
        try:
            loop = asyncio.get_running_loop()
            error = await loop.run_in_executor(self._threads, self._ask, job.to_json())
        finally:
            _remove(filter(None, files.values()))
        if error is not None:
            raise RenderError(error)
        return media

    def _rendered(self, key: str, task: asyncio.Task[Media]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # render() raises it where a request waits; without this line asyncio logs it

    def key_of(self, scene: Scene) -> str:
        """Return the file name, without a suffix, under which the clip of a scene is kept."""
        parts = [RENDERER_VERSION, str(scene.seconds), str(scene.sound)]
        if self._fast:
            parts.append("fast")
        else:
            frames = (scene.start, scene.end)
            parts += [hashlib.sha256(frame.data).hexdigest() if frame else "-" for frame in frames]
            parts += [scene.words, scene.aspect_ratio]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _ask(self, line: str) -> str | None:
        """Send one job to this thread's process; return its error, or None."""
        process = self._process()
        if process.stdin is None or process.stdout is None:
            return "the renderer has no pipes"
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except (OSError, ValueError) as error:
            return f"the renderer died: {error}"
        if not answer:
            return f"the renderer died with code {process.wait()}"
        error_text: str | None = json.loads(answer)["error"]
        return error_text

    def _process(self) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] | None = getattr(self._local, "process", None)
        if process is None or process.poll() is not None:
            paths = os.pathsep.join(path for path in sys.path if path)
            process = subprocess.Popen(
                [sys.executable, "-m", "kling_airflow.simulator.media.render"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is for the server; the renderer ends with its input
                env=os.environ | {"PYTHONPATH": paths},
            )
            self._local.process = process
            self._processes.append(process)
        return process


def _remove(files: Iterable[str]) -> None:
    for file in files:
        Path(file).unlink(missing_ok=True)
