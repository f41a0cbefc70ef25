"""Findings about software updates: would the agent of this root carry one out."""

import shutil
from collections.abc import Iterator

import structlog

from hedgerow.cli.doctor.finding import Finding
from hedgerow.core.config import CoreConfig
from hedgerow.core.updates import FREE_BYTES_NEEDED, InstalledSoftware, Journal, RespawnScripts
from hedgerow.kernel import ConfigurationError

_MEGABYTE = 1_000_000


def update_findings(config: CoreConfig) -> Iterator[Finding]:
    """Yield nothing for a core that takes no software updates."""
    if not config.folders.updates_root.exists():
        return
    yield _in_force(config)
    yield _room(config)
    if config.managed_respawn:
        yield _scripts(config)


def _in_force(config: CoreConfig) -> Finding:
    subject = "software updates"
    advice = f"start the update agent: hedgerow core agent --root {config.folders.root}"
    try:
        entry = Journal(config.folders.updates / "journal.json").read()
    except ConfigurationError as error:
        return Finding(subject, ok=False, found="not readable", advice=error.message)
    slot = InstalledSoftware(config.folders.root, "core").current()
    if entry is not None and entry.outcome is None:
        found = f"{entry.version} is under way ({entry.step})"
        return Finding(subject, ok=False, found=found, advice=advice, optional=True)
    if slot is None:
        found = "the agent has not run here yet"
        return Finding(subject, ok=False, found=found, advice=advice, optional=True)
    return Finding(subject, ok=True, found=f"ggc/core is {slot}")


def _room(config: CoreConfig) -> Finding:
    root = config.folders.root
    free = shutil.disk_usage(root).free
    return Finding(
        "room for updates",
        ok=free >= FREE_BYTES_NEEDED,
        found=f"{free // _MEGABYTE} MB",
        advice=f"updates are refused unless {FREE_BYTES_NEEDED // _MEGABYTE} MB are free at {root}",
        optional=True,
    )


def _scripts(config: CoreConfig) -> Finding:
    subject = "managedRespawn"
    try:
        RespawnScripts(config.folders.root, structlog.get_logger()).require()
    except ConfigurationError as error:
        return Finding(subject, ok=False, found="updates will fail", advice=error.message)
    return Finding(subject, ok=True, found="the four scripts are as they have to be")
