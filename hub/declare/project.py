"""A project's files, all of them at once: what they say, and everything that is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.declare.config import CONFIG_FILE, Config, load_config
from hub.declare.executors import Loaded, load_executors
from hub.declare.filling import Sources
from hub.declare.legible import legible_config
from hub.declare.reading import read_file
from hub.declare.secrets import Secrets, load_secrets
from hub.model.executor import Problem


@dataclass(frozen=True, slots=True)
class Project:
    """The files of one folder, before they are held against workflows and expressions (`cross_check`)."""

    root: Path
    #: None when config/hub.yaml or config/secrets.yaml cannot be used.
    config: Config | None
    #: What executors are held against: the same, or what can be read of one with problems.
    names: Config | None
    loaded: Loaded
    secrets: Secrets
    #: All of them, sorted by place.
    problems: tuple[Problem, ...]


def load_project(root: Path, environment: Mapping[str, str] | None = None) -> Project:
    """Read config/hub.yaml, config/secrets.yaml and executors/ in `root`. Nothing is raised for what is wrong in them."""
    environment = os.environ if environment is None else environment
    secrets, problems = load_secrets(root, environment)
    sources = Sources(environment, secrets)
    config, in_config = load_config(root, sources)
    loaded = load_executors(root, sources)
    everything = sorted({*problems, *in_config, *loaded.problems})
    names = config or legible_config(read_file(root / CONFIG_FILE, CONFIG_FILE))
    return Project(root, None if secrets.spoiled else config, names, loaded, secrets, tuple(everything))
