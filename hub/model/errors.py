"""Every error that the hub raises on purpose.

HubError
├── BadInput                  what somebody sent or wrote cannot be used
│   ├── ConfigError           ... in files: carries every Problem at once
│   ├── NotJson               ... a value that JSON cannot hold: carries its path
│   ├── ExpressionError       ... a JavaScript expression that failed
│   └── InvalidArguments      ... arguments that a job's annotation refuses
├── NotFound                  no such thing; names the closest one
│   └── Unusable              ... now: its file has problems
├── Refused                   the invoker may not
├── Unauthenticated           nobody knows who asks
├── TooManyTries              try again later: too many wrong credentials
├── Conflict                  it is in a state that does not allow this
│   ├── ArgumentHashMismatch  ... replay met other arguments than the stored ones
│   └── Fenced                ... an older epoch tried to write
├── StoreUnavailable          try again: nothing was acknowledged
├── JobFailed                 a job raised; carries type, message and path
│   ├── JobTimeout
│   ├── OutcomeUnknown        ... a job that is at most once was interrupted
│   ├── WaitTimeout           ... nobody answered in time
│   └── NotChosen             ... another one of several waits came first
└── NonRetryable              raised by users: do not try this again
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from hub.model.executor import Problem
from hub.model.names import advice


class HubError(Exception):
    """The root. Its text is for the person who reads it."""

    #: Whether the same call may work later, though whoever made it changes nothing. Over HTTP it is then answered with 429 or 503.
    retryable: ClassVar[bool] = False


class BadInput(HubError):
    """What somebody sent or wrote cannot be used as it is."""


class ConfigError(BadInput):
    """Problems in files, all of them at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class NotJson(BadInput):
    """A value that cannot make the round trip through JSON."""

    def __init__(self, path: str, what: str) -> None:
        self.path = path
        super().__init__(f"{path}: {what}")


class ExpressionError(BadInput):
    """A JavaScript expression that does not compile, threw, or went over a limit."""

    def __init__(self, message: str, *, line: int | None = None, column: int | None = None) -> None:
        self.line = line
        self.column = column
        super().__init__(message)


class InvalidArguments(BadInput):
    """Arguments or a result that an annotation refuses."""


class NotFound(HubError):
    """No such thing."""

    def __init__(self, kind: str, name: str, known: Iterable[str] | None = None) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f'there is no {kind} "{name}".' + ("" if known is None else f" {advice(name, known)}"))


class Unusable(NotFound):
    """A file says something of that name, and cannot be used as it is now."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        HubError.__init__(
            self, f'the file of {kind} "{name}" cannot be used now: `hub check` says what is wrong in it.'
        )


class ExecutionNotFound(NotFound):
    """No execution has this id."""

    def __init__(self, execution_id: str) -> None:
        self.execution_id = execution_id
        super().__init__("execution", execution_id)


class Refused(HubError):
    """The invoker may not do this."""

    def __init__(self, who: str, permission: str, where: str = "in config/hub.yaml") -> None:
        self.who = who
        self.permission = permission
        super().__init__(f'{who} may not do this: it needs the permission "{permission}" {where}.')


class Unauthenticated(HubError):
    """Nobody knows who asks. The text says nothing of what is known and what is not."""

    def __init__(self, text: str = "the credential is not valid.") -> None:
        super().__init__(text)


class TooManyTries(HubError):
    """Too many wrong credentials came from there, or about that one."""

    retryable = True

    def __init__(self, seconds: int) -> None:
        #: When it is worth to try again.
        self.seconds = seconds
        super().__init__(f"there were too many wrong credentials; try again in {seconds} s.")


class Conflict(HubError):
    """The thing is in a state that does not allow this."""


class ArgumentHashMismatch(Conflict):
    """Replay met a call with other arguments than the stored ones: the code or its inputs changed."""

    def __init__(self, job: str, call: str, stored: str, given: str) -> None:
        self.job = job
        self.call = call
        self.stored = stored
        self.given = given
        super().__init__(
            f'job "{job}" (call {call}) was stored with the arguments {stored} and is now called with {given}. '
            "A workflow must make the same calls when it runs again: keep clocks, randomness and changing data inside jobs, "
            "or start a new execution for the changed code."
        )


class Fenced(Conflict):
    """This worker's claim is over: another one holds the execution, or it was cancelled."""

    def __init__(self, execution_id: str) -> None:
        self.execution_id = execution_id
        super().__init__(f"execution {execution_id} is no longer held by this worker.")


class StoreUnavailable(HubError):
    """The store could not make it durable in time. Nothing was acknowledged."""

    retryable = True
    #: Whether the log has a line about it already.
    said = False


class NonRetryable(HubError):
    """Raise it in a job to end the execution's attempts at once. It can be caught by the calling job."""


class JobFailed(HubError):
    """A job raised. `type` and `message` are those of its exception, also after a restart."""

    type: str
    message: str
    job: str
    path: str

    def __init__(self, type: str, message: str, *, job: str = "", path: str = "") -> None:
        self.type = type
        self.message = message
        self.job = job
        self.path = path
        super().__init__(message)

    def __str__(self) -> str:
        """As its class says it: the type comes first only where the class is another one."""
        if not self.message:
            return self.type
        return self.message if type(self).__name__ == self.type else f"{self.type}: {self.message}"

    def as_json(self) -> dict[str, Any]:
        return {"type": self.type, "message": self.message, "job": self.job}


class WaitTimeout(JobFailed):
    """Nobody answered in time, and the wait had no default."""


class OutcomeUnknown(JobFailed):
    """A job that is run at most once was interrupted: it may have had its effect or not."""


class NotChosen(JobFailed):
    """A wait that was given to `first()` and was not the first."""


class JobTimeout(JobFailed):
    """A job ran past its timeout."""
