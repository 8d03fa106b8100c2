"""Reads the formats of a storyboard: YAML, JSON, CSV, and lists of dicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any, Final

from kling_airflow.storyboard.cells import Written
from kling_airflow.storyboard.csv_rows import read_csv
from kling_airflow.storyboard.problems import Problem
from kling_airflow.storyboard.tree import Node, Pairs, read_tree

SUFFIXES: Final = (".yaml", ".yml", ".json", ".csv")
"""The suffixes of the files that can be read."""
MAX_BYTES: Final = 5_000_000
"""Bytes of the largest storyboard that is read."""
_NULL: Final = "tag:yaml.org,2002:null"
_MERGE: Final = "tag:yaml.org,2002:merge"
_DEEP: Final = 8
"""Levels of mappings and lists that are read; a storyboard has four, and a deeper value may hold itself."""


def read_bytes(data: bytes, suffix: str) -> Written:
    """Return what a file says; what can't be read is among the problems.

    :param suffix: the file's suffix, one of :data:`SUFFIXES`.
    """
    if len(data) > MAX_BYTES:
        return _failed(f"it has {len(data):,} bytes; the limit is {MAX_BYTES:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _failed("it is not UTF-8: save the file with that encoding", line)
    match suffix.lower():
        case ".json":
            return read_json(text)
        case ".csv":
            return read_csv(text)
        case _:
            return read_yaml(text)


def read_yaml(text: str) -> Written:
    """Read YAML: the text of each value is kept, so that ``no`` and ``16:9`` are what was meant."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        return _failed(*_yaml_problem(error, text))
    except RecursionError:
        return _failed("it is no storyboard: its lists are nested too deeply")
    if root is None:
        return _failed("it is empty")
    return read_tree(_YamlNodes().node(root, frozenset()))


def _yaml_problem(error: Any, text: str) -> tuple[str, int | None]:
    """Return what is wrong with a text that is no YAML, and the line."""
    if (mark := getattr(error, "problem_mark", None)) is not None:
        return f"it is no YAML: {error.problem}", mark.line + 1
    position, character = getattr(error, "position", None), getattr(error, "character", None)
    if not isinstance(position, int) or not isinstance(character, int):
        return f"it is no YAML: {' '.join(str(error).split())}", None
    what = (
        f"it is no YAML: it has the control character U+{character:04X}; remove it, or write it as an escape"
    )
    return what, text.count("\n", 0, position) + 1


class _YamlNodes:
    """Reads nodes of YAML, each once: aliases of aliases can stand for billions of values."""

    def __init__(self) -> None:
        self._read: dict[int, Node] = {}

    def node(self, node: Any, above: frozenset[int]) -> Node:
        """Return a node of the tree.

        :param above: the ids of the nodes that hold this one.
        """
        import yaml

        line = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            return Node(None if node.tag == _NULL else node.value, line)
        if id(node) in self._read:
            return self._read[id(node)]
        if id(node) in above or len(above) > _DEEP:
            return Node("a value that holds itself", line)
        inner = above | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            read = Node([self.node(each, inner) for each in node.value], line)
        else:
            read = Node(self._pairs(node, inner), line)
        return self._read.setdefault(id(node), read)

    def _pairs(self, node: Any, above: frozenset[int]) -> Pairs:
        own = Pairs()
        merged: dict[Any, tuple[Node, Node]] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                if (pairs := self._merged(value, above)) is None:
                    own.append((Node("<<", key.start_mark.line + 1), self.node(value, above)))
                    continue
                merged |= {pair[0].value: pair for pair in pairs}
            else:
                own.append((self.node(key, above), self.node(value, above)))
        names = {key.value for key, _ in own if not isinstance(key.value, list)}
        return Pairs([*(pair for name, pair in merged.items() if name not in names), *own])

    def _merged(self, value: Any, above: frozenset[int]) -> Pairs | None:
        """Return the entries that ``<<: *base`` brings in; of several bases the first counts.

        :return: None if a base is no mapping.
        """
        import yaml

        found = Pairs()
        bases = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for base in reversed(bases):
            pairs = self.node(base, above).value
            if not isinstance(pairs, Pairs):
                return None
            found += ((key, each) for key, each in pairs if not isinstance(key.value, list))
        return found


def read_json(text: str) -> Written:
    """Read JSON; the lines are found by reading the text once more as YAML, of which JSON is a part."""
    import yaml

    try:
        values = json.loads(text, object_pairs_hook=_Members)
    except json.JSONDecodeError as error:
        return _failed(f"it is no JSON: {error.msg}", error.lineno)
    except RecursionError:
        return _failed("it is no storyboard: its lists are nested too deeply")
    except ValueError:
        return _failed("it is no storyboard: it has a number of more than 4,000 digits")
    try:
        # A tab can stand only between the values: within a text JSON wants \t.
        lines = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        lines = None
    return read_tree(_json_node(values, lines))


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object, doubles included."""


def _json_node(value: Any, lines: Any) -> Node:
    line = None if lines is None else lines.start_mark.line + 1
    below: Iterable[Any] = repeat(None)
    inner_lines = None if lines is None else lines.value
    if isinstance(value, list) and isinstance(inner_lines, list) and len(inner_lines) == len(value):
        below = inner_lines
    if isinstance(value, _Members):
        pairs = Pairs()
        for (name, each), node in zip(value, below, strict=False):
            key, inner = (None, None) if node is None else node
            key_line = None if key is None else key.start_mark.line + 1
            pairs.append((Node(name, key_line), _json_node(each, inner)))
        return Node(pairs, line)
    if isinstance(value, list):
        return Node([_json_node(each, node) for each, node in zip(value, below, strict=False)], line)
    return Node(value, line)


def read_python(value: object) -> Written:
    """Read a list of dicts, or a dict with ``shots``, such as a Param or an XCom holds."""
    return read_tree(_python_node(value, 0))


def _python_node(value: object, depth: int) -> Node:
    if depth > _DEEP:
        return Node("a value that is nested too deeply")
    if isinstance(value, Mapping):
        pairs = ((Node(str(name)), _python_node(each, depth + 1)) for name, each in value.items())
        return Node(Pairs(pairs))
    if isinstance(value, Iterable) and not isinstance(value, str | bytes) and not _is_path(value):
        return Node([_python_node(each, depth + 1) for each in value])
    return Node(value)


def _is_path(value: object) -> bool:
    return hasattr(value, "protocol") or hasattr(value, "__fspath__")


def _failed(what: str, line: int | None = None) -> Written:
    return Written(problems=[Problem(what, line=line)])
