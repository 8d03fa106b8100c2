"""The docstrings' reStructuredText marks in the Markdown of the API reference, for mkdocs.yml."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`~?([\w.]+)`")


class Docstrings(griffe.Extension):
    """Turn ``:class:`X``` into a link if the reference has X, else into code; drop the ``::``."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            text = _ROLE.sub(lambda found: _link(obj, found[1]), obj.docstring.value)
            text = re.sub(r"(?m)^ *::\n", "", text)
            obj.docstring.value = re.sub(r"(?m)(?<=\w)::$", ":", text)


def _link(obj: griffe.Object, name: str) -> str:
    try:
        whole = obj.resolve(name)
    except griffe.NameResolutionError:
        whole = name
    return f'<autoref optional identifier="{whole}"><code>{name.rpartition(".")[2]}</code></autoref>'
