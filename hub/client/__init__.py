"""The one door: every verb that a face can ask of a hub, a page for each noun. Faces translate, and decide nothing."""

from __future__ import annotations

from hub.client.applying import ApplyingVerbs
from hub.client.audit import AuditVerbs
from hub.client.books import BooksVerbs
from hub.client.events import EventVerbs
from hub.client.executors import ExecutorVerbs
from hub.client.listing import ListingVerbs
from hub.client.machine_users import MachineUserVerbs
from hub.client.nodes import NodeVerbs
from hub.client.overview import OverviewVerbs
from hub.client.people import PersonVerbs
from hub.client.refused import RefusedVerbs
from hub.client.resuming import ResumingVerbs
from hub.client.revisions import RevisionVerbs
from hub.client.wait_points import WaitPointVerbs
from hub.client.webhooks import WebhookVerbs
from hub.client.workflows import WorkflowVerbs

__all__ = ["Client"]


class Client(
    ExecutorVerbs,
    WorkflowVerbs,
    ResumingVerbs,
    WaitPointVerbs,
    EventVerbs,
    RevisionVerbs,
    ApplyingVerbs,
    AuditVerbs,
    BooksVerbs,
    ListingVerbs,
    RefusedVerbs,
    NodeVerbs,
    OverviewVerbs,
    MachineUserVerbs,
    PersonVerbs,
    WebhookVerbs,
):
    """Asks one hub, through its driver."""
