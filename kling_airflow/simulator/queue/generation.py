"""The generation of a clip: frames are fetched and checked, and the clip is rendered."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import math
import struct
import uuid
import wave
from typing import TYPE_CHECKING, Any

from kling_airflow.simulator.media import frames, videos
from kling_airflow.simulator.media.render_pool import Media, RenderError, RenderPool, Scene
from kling_airflow.simulator.queue import results
from kling_airflow.simulator.queue.frame_fetch import FrameFetcher
from kling_airflow.simulator.queue.refusal import Refusal
from kling_airflow.simulator.queue.requests import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from kling_airflow.simulator.clock import Clock
    from kling_airflow.simulator.queue.catalog import InputVideo, Model
    from kling_airflow.simulator.queue.uploads import Uploads
    from kling_airflow.simulator.settings import Settings

log = logging.getLogger(__name__)

BACKEND_ERROR = "Backend error (400). Please try again."
REJECTED = "Generation rejected; please review the prompt and parameters then retry"
_FACE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DOWNLOAD_FAILED = "Failed to download media"


class Generation:
    """The generation of one submission.

    :param at_once: fetch the frames during the POST; a frame that can't be fetched is then a 500 at once.
    """

    def __init__(self, maker: Generator, model: Model, payload: dict[str, Any], *, at_once: bool) -> None:
        self._maker = maker
        self._model = model
        self._payload = payload
        self._at_once = at_once
        inputs = model.inputs(payload)
        self._sources = (inputs.start, inputs.end, *inputs.others)
        self._videos = inputs.videos
        self._video_seconds: float | None = None
        self._frames: list[frames.Frame | None] | None = None

    async def look_at_once(self) -> Refusal | None:
        """Check what can be checked during the POST; return the refusal to answer with."""
        named = [*self._sources, *(video.url for video in self._videos)]
        urls = [source for source in named if source is not None and frames.is_url(source)]
        try:
            if urls and not self._at_once:
                for source in self._sources:
                    if source is not None and not frames.is_url(source):
                        self._maker.check_base64(source)
            else:
                self._frames = await self._collect()
        except frames.Unusable as error:
            log.info("A frame is unusable: %s", error)
            return Refusal(400, REJECTED)
        except frames.Unreachable as error:
            log.info("A frame can't be fetched: %s", error)
            return Refusal(500, BACKEND_ERROR)
        return None

    async def run(self) -> Verdict:
        """Make the clip; return the verdict."""
        clock = self._maker.clock
        try:
            if self._frames is None:
                self._frames = await self._collect()
            media, result = await self._make(self._frames)
        except frames.Unreachable as error:
            log.info("A frame can't be fetched: %s", error)
            return Verdict(clock.now(), reason=DOWNLOAD_FAILED, late=True)
        except (frames.Unusable, RenderError) as error:
            log.info("A frame is unusable: %s", error)
            return Verdict(clock.now(), reason=REJECTED)
        finally:
            self._frames = None
        return Verdict(clock.now(), media=media, result=result)

    async def _collect(self) -> list[frames.Frame | None]:
        for video in self._videos:
            self._video_seconds = await self._maker.video_seconds(video)
        return list(await asyncio.gather(*(self._maker.frame(source) for source in self._sources)))

    async def _make(self, pictures: list[frames.Frame | None]) -> tuple[Media | None, dict[str, Any] | None]:
        match self._model.result:
            case "audio":
                return self._maker.speech(), None
            case "element":
                return None, results.element()
            case "faces":
                return self._maker.face(), results.faces()
            case "voice":
                return None, results.voice(self._payload)
        return await self._maker.pool.render(self._scene(pictures)), None

    def _scene(self, pictures: list[frames.Frame | None]) -> Scene:
        payload = self._payload
        seconds = self._model.duration(payload)
        if self._model.video_seconds(payload) is not None:
            seconds = round(self._video_seconds or 5.0)
        return Scene(
            start=pictures[0],
            end=pictures[1],
            seconds=seconds,
            sound=self._model.sound(payload),
            words=str(payload.get("prompt") or payload.get("multi_prompt") or ""),
            aspect_ratio=str(payload.get("aspect_ratio") or "16:9"),
        )


class Generator:
    """Makes clips in the background.

    :param uploads: the frames that were uploaded to the simulator itself.
    """

    def __init__(self, settings: Settings, clock: Clock, uploads: Uploads) -> None:
        self.clock = clock
        self.pool = RenderPool(
            settings.render_workers, fast=settings.render == "fast", folder=settings.media_dir
        )
        self._settings = settings
        self._fetcher = FrameFetcher(uploads, settings.frame_timeout)
        self._tasks: set[asyncio.Task[None]] = set()

    def prepare(self, model: Model, payload: dict[str, Any], rng: Random) -> Generation:
        """Return the generation of a valid payload.

        :param rng: decides when unreachable frames fail.
        """
        when = self._settings.unreachable_frames
        at_once = rng.random() < 0.5 if when == "either" else when == "refused"
        return Generation(self, model, payload, at_once=at_once)

    def start(self, generation: Generation, done: Callable[[Verdict], None]) -> None:
        """Run a generation in the background, then call `done` with its verdict."""

        async def run() -> None:
            try:
                verdict = await generation.run()
            except Exception:
                log.exception("The simulator itself failed to generate")
                verdict = Verdict(self.clock.now(), reason="internal error")
            done(verdict)

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def frame(self, source: str | None) -> frames.Frame | None:
        """Return a checked frame.

        :param source: URL or Base64.
        :raises frames.Unreachable: when it can't be fetched.
        :raises frames.Unusable: when it breaks a limit.
        """
        if source is None:
            return None
        if not frames.is_url(source):
            return self.check_base64(source)
        if not self._settings.fetch_frames:
            return None
        return frames.check(await self._fetcher.fetch(source))

    async def video_seconds(self, video: InputVideo) -> float | None:
        """Return how long an input video lasts; None if videos are not fetched.

        :raises frames.Unreachable: when it can't be fetched.
        :raises frames.Unusable: when it breaks a limit.
        """
        if not frames.is_url(video.url):
            raise frames.Unusable("a video must be a URL")
        if not self._settings.fetch_frames:
            return None
        data = await self._fetcher.fetch(video.url, most=videos.MAX_BYTES)
        return await asyncio.to_thread(videos.check, data, video.least, video.most)

    def check_base64(self, source: str) -> frames.Frame:
        """Return the checked frame of a Base64 text.

        :raises frames.Unusable: when the text is not a usable frame.
        """
        if not self._settings.base64_frames:
            raise frames.Unusable("Base64 is not accepted")
        return frames.check(frames.decode(source, allow_prefix=self._settings.base64_prefix))

    def speech(self) -> Media:
        """Return a second of sound for the synchronous model."""
        rate = 16_000
        samples = (round(8000 * math.sin(440 * 2 * math.pi * n / rate)) for n in range(rate))
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
        path = self.pool.write(f"{uuid.uuid4()}.wav", buffer.getvalue())
        return Media(path, None, "audio/wav")

    def face(self) -> Media:
        """Return the picture of a face."""
        path = self.pool.write(f"{uuid.uuid4()}.png", base64.b64decode(_FACE))
        return Media(path, None, "image/png")

    async def idle(self) -> None:
        """Wait until no generation runs."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def cancel(self) -> None:
        """Cancel every generation."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Stop everything."""
        self.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._fetcher.close()
        self.pool.close()
