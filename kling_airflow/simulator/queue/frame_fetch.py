"""Fetches frames that are given as URLs, as the service does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.simulator.media.frames import MAX_BYTES, Unreachable

if TYPE_CHECKING:
    import aiohttp

    from kling_airflow.simulator.queue.uploads import Uploads


class FrameFetcher:
    """Fetches frames over HTTP; the simulator's own uploads are read without the network.

    :param uploads: the frames that were uploaded to the simulator.
    :param timeout: seconds for a whole fetch.
    """

    def __init__(self, uploads: Uploads, timeout: float) -> None:
        self._uploads = uploads
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, url: str, most: int = MAX_BYTES) -> bytes:
        """Return the bytes at a URL, at most a little more than the limit.

        :param most: the limit in bytes.
        :raises Unreachable: for every answer that is not a 200.
        """
        import aiohttp

        if self._uploads.owns(url):
            own = self._uploads.read_url(url)
            if own is None:
                raise Unreachable(f"{url}: nothing was uploaded")
            return own.data
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout)
            self._session = aiohttp.ClientSession(
                timeout=timeout, connector=aiohttp.TCPConnector(limit=64), trust_env=True
            )
        try:
            async with self._session.get(url) as answer:
                if answer.status != 200:
                    raise Unreachable(f"{url}: HTTP {answer.status}")
                return await _read(answer, most)
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise Unreachable(f"{url}: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_chunked(1 << 16):
        parts.append(part)
        size += len(part)
        if size > most:
            break
    return b"".join(parts)
