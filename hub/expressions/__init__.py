"""The JavaScript of executors, evaluated in a child process that can do nothing else.

- A **scope** is what an expression sees: `args`, `context` and `env`, with the clock and the dice pinned to the event.
- A **request** is one evaluation: a condition and variables over one scope, in an engine that nobody used before.
- The **child** is a process with no files, network, environment or rights; JSON text goes in and JSON text comes out.
- A **lane** is the queue before one child. An expression that went over its time waits in a lane of its own afterwards.

Numbers are those of JavaScript: a whole number beyond 2^53 loses digits, so such an id belongs in a string.
"""

from __future__ import annotations

from hub.expressions.checking import check_expression, check_variables
from hub.expressions.evaluator import Evaluator
from hub.expressions.request import Evaluated, Request, Scope

__all__ = ["Evaluated", "Evaluator", "Request", "Scope", "check_expression", "check_variables"]
