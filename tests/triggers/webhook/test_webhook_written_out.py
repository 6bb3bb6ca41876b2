"""A preset is nothing but data: what it says can be written out in a file, and means the same there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from webhook_kit import secret_of

from hub.declare.executors import load_executors
from hub.model.executor import WebhookTrigger
from hub.triggers.webhook.presets import preset, preset_names
from hub.triggers.webhook.reading import read_scheme
from hub.triggers.webhook.scheme import TYPES

#: What stands beside `verify` in a file, or is the hub's to know.
BESIDE = {"description", "budget", "body_unique", "window", "conflict", "response", "content_types"}
#: Two have headers in families, and one unescapes its address: those are for presets.
PLAIN = sorted(
    name
    for name in preset_names()
    if preset(name)["type"] in TYPES and not {"families", "url_unescape"} & preset(name).keys()
)


@pytest.mark.parametrize("name", PLAIN)
def test_a_preset_may_be_written_out(name: str, tmp_path: Path) -> None:
    verify = {key: value for key, value in preset(name).items() if value and key not in BESIDE} | {
        "secret": secret_of(name)
    }
    if verify["type"] == "none":
        del verify["secret"]
    trigger = {"webhook": {"verify": verify}}
    target = {"workflow": {"workflow_name": "order-processing", "invoker": "anonymous"}}
    (tmp_path / "executors").mkdir()
    (tmp_path / "executors" / "erp-push.yaml").write_text(
        json.dumps({"name": "erp-push", "trigger": trigger, "target": target}, indent=1)
    )
    loaded = load_executors(tmp_path)
    assert loaded.problems == ()
    read = loaded.executors[0].trigger
    assert isinstance(read, WebhookTrigger)
    assert read.verify is not None
    scheme, flaws = read_scheme(read.verify)
    assert flaws == []
    known, _ = read_scheme({"preset": name})
    assert scheme is not None
    assert known is not None
    assert replace(scheme, preset=name, content_types=known.content_types) == known


def test_most_presets_are_that_plain() -> None:
    assert len(PLAIN) > 55
    assert {"stripe", "slack", "line", "docusign", "mailgun", "google-push", "cloudevents"} <= set(PLAIN)
