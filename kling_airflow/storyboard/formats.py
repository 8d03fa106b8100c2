"""Reads the formats of a storyboard: YAML, JSON, CSV, and lists of dicts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any, Final

from kling_airflow.storyboard.cells import Cell, Row, Written
from kling_airflow.storyboard.problems import Problem
from kling_airflow.storyboard.tree import Node, Pairs, read_tree

SUFFIXES: Final = (".yaml", ".yml", ".json", ".csv")
"""The suffixes of the files that can be read."""
MAX_BYTES: Final = 5_000_000
"""Bytes of the largest storyboard that is read."""
_NULL: Final = "tag:yaml.org,2002:null"
_MERGE: Final = "tag:yaml.org,2002:merge"
_DEEP: Final = 50
"""Levels of a mapping or list in a Python value, at most: a deeper one may hold itself."""


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
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or " ".join(str(error).split())
        return _failed(f"it is no YAML: {what}", None if mark is None else mark.line + 1)
    except RecursionError:
        return _failed("it is no storyboard: its lists are nested too deeply")
    if root is None:
        return _failed("it is empty")
    return read_tree(_yaml_node(root, frozenset()))


def _yaml_node(node: Any, above: frozenset[int]) -> Node:
    import yaml

    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return Node(None if node.tag == _NULL else node.value, line)
    if id(node) in above or len(above) > _DEEP:
        return Node("a value that holds itself", line)
    above |= {id(node)}
    if isinstance(node, yaml.SequenceNode):
        return Node([_yaml_node(each, above) for each in node.value], line)
    own = Pairs()
    merged: dict[Any, tuple[Node, Node]] = {}
    for key, value in node.value:
        if key.tag == _MERGE:
            merged |= {pair[0].value: pair for pair in _merged(value, above)}
        else:
            own.append((_yaml_node(key, above), _yaml_node(value, above)))
    names = {key.value for key, _ in own if not isinstance(key.value, list)}
    return Node(Pairs([*(pair for name, pair in merged.items() if name not in names), *own]), line)


def _merged(value: Any, above: frozenset[int]) -> Iterable[tuple[Node, Node]]:
    """Yield the entries that ``<<: *base`` brings in; of several bases the first counts."""
    import yaml

    bases = value.value if isinstance(value, yaml.SequenceNode) else [value]
    for base in reversed(bases):
        pairs = _yaml_node(base, above).value
        if isinstance(pairs, Pairs):
            yield from ((key, each) for key, each in pairs if not isinstance(key.value, list))


def read_json(text: str) -> Written:
    """Read JSON; the lines are found by reading the text once more as YAML, of which JSON is a part."""
    import yaml

    try:
        values = json.loads(text, object_pairs_hook=_Members)
    except json.JSONDecodeError as error:
        return _failed(f"it is no JSON: {error.msg}", error.lineno)
    except RecursionError:
        return _failed("it is no storyboard: its lists are nested too deeply")
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


def read_csv(text: str) -> Written:
    """Read CSV with a head; commas, semicolons or tabs between the cells. An empty cell is not given."""
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    written = Written()
    names: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            begins, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = [cell.strip() for cell in cells]
                doubles = sorted({name for name in names if names.count(name) > 1})
                written.problems += [Problem("is the head of two columns", name, line=1) for name in doubles]
                continue
            if len(cells) > len(names):
                what = f"it has {len(cells)} cells; the head has {len(names)}. Quote a text with commas"
                written.problems.append(Problem(what, shot=f"shot {len(written.rows) + 1}", line=begins))
            given = zip(names, cells, strict=False)
            row = {name: Cell(cell.strip(), begins) for name, cell in given if cell.strip()}
            written.rows.append(Row(row, begins))
    except csv.Error as error:
        written.problems.append(Problem(f"it is no CSV: {error}", line=reader.line_num))
    if names is None:
        written.problems.append(Problem("it is empty", line=1))
    return written


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
