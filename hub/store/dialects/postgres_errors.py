"""What PostgreSQL's errors mean to the writer: try again, or a fault of whoever wrote the value or the statement.

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from psycopg import pq

from hub.model.errors import BadInput
from hub.store.dialects.base import StoreBusy

#: Classes and codes after which the same transaction may work in a moment.
_AGAIN = (
    "08",  # the connection
    "40",  # serialization, deadlock
    "53",  # disk full, out of memory, too many connections
    "57",  # cancelled, shut down, starting up
    "58",  # the server's own files
    "55P03",  # a lock was not to be had in time
    "25P03",  # this process stood still with a transaction open, and the server ended it
    "25006",  # read only: the server has become a standby
    "25P04",
)


class Fault(Exception):
    """An error that trying again does not mend."""

    def __init__(self, state: str, message: str) -> None:
        self.state = state
        super().__init__(f"{message} ({state})" if state else message)


def classified(result: pq.abc.PGresult) -> Exception:
    """The exception for a result that is an error."""
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
    if not state or state.startswith(_AGAIN):
        return StoreBusy(message or result.get_error_message())
    if state == "22021":
        return BadInput(f"a text holds what PostgreSQL cannot keep, such as the character NUL: {message}")
    if state == "54000":
        return BadInput(f"a key or a name is too long to be found again: {message}")
    return Fault(state, message)
