"""What others wrote reaches a terminal or a log as text, and as nothing else."""

from __future__ import annotations

import json
import logging

import pytest
from cli_kit import Hub

from hub.cli.printing import clean, one_line
from hub.cli.serve import _JsonLines, _Lines, _WithoutSecrets
from hub.model.hiding import Hiding

#: A cleared screen, a title, the clipboard, a fake line, another column, text from right to left, an eight-bit escape.
HOSTILE = [
    "\x1b[2J\x1b[H", "\x1b]0;owned\x07", "\x1b]52;c;ZXZpbA==\x07", "fine\r\nERROR hub: forged", "a\rb", "x\x08\x08y",
    "\u202egnp.exe", "\x9b31m", "one\u2028two", "\x00", "\x7f", "\u2066hidden\u2069", 'a"}\n{"level": "INFO"',
]  # fmt: skip
FORBIDDEN = [chr(n) for n in [*range(0x20), *range(0x7F, 0xA0)] if chr(n) != "\n"] + list(
    "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def record(text: str, *, error: bool = False) -> logging.LogRecord:
    caught: tuple[type[RuntimeError], RuntimeError, None] | None = None
    if error:
        caught = (RuntimeError, RuntimeError(text), None)
    return logging.LogRecord("hub", logging.ERROR, __file__, 1, "said %s", (text,), caught)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("formatter", [_Lines(), _JsonLines(), _WithoutSecrets(_JsonLines(), Hiding())], ids=type)
def test_a_log_record_stays_one_line_and_obeys_nobody(formatter: logging.Formatter, text: str) -> None:
    line = formatter.format(record(text))
    assert len(line.splitlines()) == 1
    assert not [char for char in FORBIDDEN if char in line]
    whole = formatter.format(record(text, error=True))
    assert not [char for char in FORBIDDEN if char in whole]
    assert all(one.startswith("    ") for one in whole.split("\n")[1:]), "nothing of it looks like a line of its own"
    if isinstance(formatter, _JsonLines):
        assert json.loads(line)["message"] == f"said {text}"


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_printed_obeys_nobody(text: str) -> None:
    assert not [char for char in FORBIDDEN if char in clean(text)]
    assert "\n" not in one_line(text)


def test_commands_show_what_was_sent_as_text(hub: Hub) -> None:
    everything = "".join(HOSTILE)
    hub("executor", "trigger", "number-webhook", "-d", json.dumps({"n": 0, "text": everything, everything: 1}))
    (event,) = hub.json("event", "list")
    assert hub.json("event", "show", event["id"])["payload"]["body"]["text"] == everything, "and nothing of it is lost"
    hub("workflow", "start", "adding", "-m", "bot", "-a", json.dumps({"n": 1, "text": everything}))
    for words in (["event", "list"], ["event", "show", event["id"]], ["workflow", "executions"], ["audit", "list"]):
        for more in ([], ["--json"]):
            ran = hub(*words, *more)
            found = [char for char in FORBIDDEN if char in (ran.out + ran.err).replace("\t", "")]
            assert not found, (words, more)
