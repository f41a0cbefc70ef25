"""Findings about the deployments that a core keeps: would it start, and would it take the next."""

from collections.abc import Iterator

from hedgerow.cli.doctor.finding import Finding
from hedgerow.cli.stored_deployments import Stored, stored_of
from hedgerow.core.config import CoreConfig
from hedgerow.core.deployment import Demand, require_room
from hedgerow.kernel import CallerError, ConfigurationError


def deployment_findings(config: CoreConfig) -> Iterator[Finding]:
    """Yield what lies in the folder of deployments, and whether the disk takes another."""
    try:
        stored = stored_of(config)
    except ConfigurationError:
        return  # the core's own files are told of elsewhere
    yield _starts_with(stored)
    if stored.lost is not None:
        advice = "start the core: it learns what it can anew, and deploy the group again"
        yield Finding("record of deployments", ok=False, found=stored.lost, advice=advice)
    for deployment_id, why in stored.ledger.failed.items():
        yield Finding(
            "deployment undone",
            ok=False,
            found=f"{deployment_id}: {why}",
            advice="mend what it names and deploy the group again",
            optional=True,
        )
    yield _room(config)


def _starts_with(stored: Stored) -> Finding:
    subject = "deployment"
    if stored.is_stranded:
        return Finding(
            subject,
            ok=False,
            found=f"none that is kept can be run: {'; '.join(stored.faults)}",
            advice="start the core and deploy the group again; it hears of it without a group, too",
        )
    runs = stored.starts_with
    if stored.faults and runs is not None:
        found = f"{runs} is run, because of {'; '.join(stored.faults)}"
        return Finding(subject, ok=False, found=found, advice="deploy the group again")
    return Finding(subject, ok=True, found=f"{runs} is whole" if runs else "none")


def _room(config: CoreConfig) -> Finding:
    subject = "room for deployments"
    try:
        require_room((Demand(config.folders.deployment, 0, "a deployment"),))
    except CallerError as error:
        return Finding(subject, ok=False, found="not enough", advice=error.message)
    return Finding(subject, ok=True, found="there")
