"""JSON as a tree that can be folded, each value with its path and the expression that an executor would use for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hub.model.counted import counted

#: Values that are shown; the rest is counted.
MOST = 400
#: A text longer than this is folded.
LONG = 160
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
#: Levels that are open at first.
_OPEN = 2
_DEEPEST = 30


@dataclass(slots=True)
class Node:
    """One value."""

    key: str
    #: `$.items[3].name`.
    path: str
    #: `args.body.items[3].name`; empty: no expression reaches it.
    expression: str
    #: One of object, list, string, number, literal, more.
    kind: str
    #: The value as JSON writes it; of an object or list its size.
    text: str
    children: list[Node] = field(default_factory=list)
    open: bool = False

    @property
    def long(self) -> bool:
        return len(self.text) > LONG


def tree(value: Any, expression: str = "") -> Node:
    """The root. `expression` is what reaches the whole value, such as `args.body`."""
    left = iter(range(MOST))
    return _node("", "$", expression, value, 0, left)


def _node(key: str, path: str, expression: str, value: Any, depth: int, left: Iterator[int]) -> Node:
    if isinstance(value, dict | list):
        kind, noun = ("object", "key") if isinstance(value, dict) else ("list", "item")
        node = Node(key, path, expression, kind, counted(len(value), noun), open=depth < _OPEN)
        if depth < _DEEPEST:
            node.children = _children(value, node, depth, left)
        return node
    kind = "string" if isinstance(value, str) else "literal" if value is None or isinstance(value, bool) else "number"
    return Node(key, path, expression, kind, json.dumps(value, ensure_ascii=False))


def _children(value: dict[str, Any] | list[Any], node: Node, depth: int, left: Iterator[int]) -> list[Node]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    children: list[Node] = []
    for name, child in pairs:
        if next(left, None) is None:
            children.append(Node("", "", "", "more", f"{len(value) - len(children)} more"))
            break
        step = _step(name)
        reach = node.expression + step if node.expression else ""
        children.append(_node(str(name), node.path + step, reach, child, depth + 1, left))
    return children


def _step(name: str | int) -> str:
    if isinstance(name, int):
        return f"[{name}]"
    return f".{name}" if _PLAIN_KEY.fullmatch(name) else f"[{json.dumps(name, ensure_ascii=False)}]"
