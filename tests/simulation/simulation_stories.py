"""Stories that the simulated worlds play: workflows, what a client does with them, and what must have come of it."""

from __future__ import annotations

from stories_of_jobs import FAN, FLAKY, ONCE, SEQUENCE
from stories_of_turns import KEYED, PACED
from stories_of_waits import ANSWERING, CHILDREN, QUESTION, SIGNALS

#: Each has its place: a seed means the same story for ever.
STORIES = [SEQUENCE, FAN, QUESTION, SIGNALS, ANSWERING, CHILDREN, FLAKY, ONCE, PACED, KEYED]
