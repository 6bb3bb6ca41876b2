"""Finding an event by a field of its payload: `body.order.id=7`, `newRecord.status=paid`, or a text that occurs in it."""

from __future__ import annotations

import json
import re
from typing import Any

_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[\]=]+)")


def matches(args: Any, asked: str) -> bool:
    """Whether what expressions see as `args` has it. Without `=` the text is looked for anywhere."""
    path, equals, wanted = asked.partition("=")
    if not equals:
        return asked.casefold() in json.dumps(args, ensure_ascii=False).casefold()
    found = args
    for index, name in _STEP.findall(path.strip().removeprefix("args.")):
        if isinstance(found, list) and (index or name).isdigit():
            place = int(index or name)
            found = found[place] if place < len(found) else None
        elif isinstance(found, dict):
            found = found.get(index or name)
        else:
            return False
    return _same(found, wanted.strip())


def _same(found: Any, wanted: str) -> bool:
    if isinstance(found, str):
        return found == wanted
    try:
        return bool(found == json.loads(wanted)) and found is not None
    except ValueError:
        return False
