"""What a landing tells the gallery. The clip is paid for and stored by then: no failure here is an error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kling_airflow.addresses import shown
from kling_airflow.redaction import in_short

if TYPE_CHECKING:
    from kling_airflow.media.places import Place

log = logging.getLogger(__name__)


def note_landing(clip: Place) -> bool:
    """Add a clip or film that has landed to the gallery's index, if it is below ``[kling] gallery``.

    A landing that is run again writes the same entry, so that a lost one is made good.

    :param clip: the place of the MP4 file, whose sidecar is written.
    :return: whether the index has it now.
    """
    from kling_airflow.gallery.settings import configured_gallery, path_in_gallery

    try:
        gallery = configured_gallery()
        path = None if gallery is None else path_in_gallery(gallery, clip.uri)
        if gallery is None or path is None:
            return False
        _add(gallery, path, clip)
    except Exception as error:
        log.warning(
            "%s has landed, and the gallery's index could not be written: %s. The clip is whole. Run"
            " `kling-airflow gallery reindex` to show it in the gallery.",
            shown(clip.uri),
            in_short(error),
        )
        return False
    return True


def _add(gallery: str, path: str, clip: Place) -> None:
    from kling_airflow.gallery.entry import GalleryEntry
    from kling_airflow.gallery.index import IndexWriter
    from kling_airflow.gallery.settings import open_gallery
    from kling_airflow.media.sidecar import Sidecar

    sidecar = Sidecar.parse(clip.sibling(".json").read(Sidecar.MAX_BYTES))
    if sidecar is None:
        raise ValueError("its sidecar can't be read")
    IndexWriter(open_gallery(gallery)).add(GalleryEntry.of(sidecar, path))
