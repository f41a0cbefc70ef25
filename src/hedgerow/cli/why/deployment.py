"""`hedgerow why deployment`: why a core runs what it runs, from the files of its root folder."""

from collections.abc import Iterator
from pathlib import Path

import click

from hedgerow.cli.options import root_option
from hedgerow.cli.output import as_json, print_json
from hedgerow.cli.stored_deployments import Stored, stored_of
from hedgerow.cli.why.path import Answer, Step, show
from hedgerow.core.config import CoreConfig, load_config
from hedgerow.core.deployment import Demand, require_room
from hedgerow.kernel import CallerError, ConfigurationError

_REDEPLOY = (
    "deploy the group again: aws greengrass create-deployment --group-id GROUP "
    "--group-version-id VERSION --deployment-type NewDeployment"
)


@click.command()
@root_option
@as_json
def deployment(root: Path, *, as_json: bool) -> None:
    """Say which deployment a start of this core serves, and what keeps it from the last one."""
    answer = Answer.of(_steps(root))
    if as_json:
        print_json(answer.facts())
    else:
        show(
            [answer],
            "This core runs its last deployment",
            "This core does not run its last deployment",
        )


def _steps(root: Path) -> Iterator[Step]:
    try:
        config = load_config(root)
        stored = stored_of(config)
    except ConfigurationError as error:
        says, change = str(error), "correct what it names; a start puts a damaged file back itself"
        yield Step("configuration", passed=False, says=says, code="unusable", change=change)
        return
    yield Step("configuration", passed=True, says=f"the core is {config.thing_name}")
    yield _record(stored)
    yield _reset(stored)
    yield _last(stored)
    yield from _runs(stored)
    yield _room(config)


def _record(stored: Stored) -> Step:
    if stored.lost is None:
        return Step("record", passed=True, says="what the core has seen is remembered")
    return Step("record", passed=None, says=stored.lost, code="lost")


def _reset(stored: Stored) -> Step:
    if stored.ledger.wiping is None:
        return Step("reset", passed=True, says="no reset is under way")
    return Step(
        "reset",
        passed=False,
        says=f"the reset {stored.ledger.wiping.deployment_id} was interrupted",
        code="reset-under-way",
        change="start the core: it finishes the reset before it serves anybody",
    )


def _last(stored: Stored) -> Step:
    """Return whether the last deployment that was tried has failed after the switch."""
    if stored.ledger.failed:
        deployment_id, why = list(stored.ledger.failed.items())[-1]
        return Step(
            "health",
            passed=False,
            says=f"deployment {deployment_id} was undone: {why}",
            code="health-check-failed",
            change=f"mend what it names, then {_REDEPLOY}",
        )
    if stored.ledger.trial is not None:
        says = f"deployment {stored.ledger.trial} has not passed its health check yet"
        return Step("health", passed=None, says=says, code="on-trial")
    return Step("health", passed=True, says="no deployment was undone")


def _runs(stored: Stored) -> Iterator[Step]:
    if not stored.slots:
        says, change = "nothing was deployed to this core", _REDEPLOY
        yield Step("deployment", passed=False, says=says, code="none", change=change)
        return
    first = stored.slots[0]
    if first.group is not None:
        deployment_id = first.group.group.deployment_id
        yield Step("deployment", passed=True, says=f"deployment {deployment_id} is whole")
        return
    if first.emptied:
        says, code = "group.json was emptied, so that the core starts without a group", "emptied"
    elif stored.starts_with is not None:
        says, code = f"{first.fault}; the one before it is run", "previous"
    else:
        says, code = f"none that is kept can be run: {'; '.join(stored.faults)}", "rescue"
    yield Step("deployment", passed=False, says=says, code=code, change=_REDEPLOY)


def _room(config: CoreConfig) -> Step:
    try:
        require_room((Demand(config.folders.deployment, 0, "a deployment"),))
    except CallerError as error:
        change = "do what it says, or the next deployment fails"
        return Step("room", passed=False, says=error.message, code="no-room", change=change)
    return Step("room", passed=True, says="the disk takes the next deployment")
