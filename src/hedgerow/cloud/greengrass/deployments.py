"""Deployments as records: begun, moved from state to state, reset, listed.

Everything here happens inside one transaction or is a read. Building, signing and telling the
core are the deployer's; it calls `deliver` or `fail` when it is done.

INVARIANT: at most one deployment of a group is Building or InProgress (`Rollout.running`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hedgerow.aws import AwsError
from hedgerow.cloud.greengrass import authorities
from hedgerow.cloud.greengrass.allowance import allowed_minutes, in_words
from hedgerow.cloud.greengrass.arns import group_arn, group_version_arn
from hedgerow.cloud.greengrass.documents import (
    DEFAULT_DEPLOYMENT_MINUTES,
    DEPLOYMENT,
    DEPLOYMENT_FILES,
    RESETS,
    ROLLOUT,
    Deployment,
    DeploymentFiles,
    DeploymentType,
    ErrorDetail,
    Rollout,
)
from hedgerow.cloud.greengrass.faults import bad_request, not_found
from hedgerow.cloud.greengrass.lookup import existing_group, existing_group_version
from hedgerow.cloud.greengrass.paging import Paging, page_answer
from hedgerow.cloud.greengrass.states import RUNNING, DeploymentEvent, after
from hedgerow.cloud.greengrass.status_events import note_status
from hedgerow.cloud.home import Home
from hedgerow.contract import CoreMember, DeploymentStatusReport, deployment_arn
from hedgerow.kernel import CallerError, iso_milliseconds, new_uuid
from hedgerow.store import Record, Store, Transaction

Members = Mapping[str, Any]
MAX_ERROR_MESSAGE = 8192
_REPORTS: Mapping[str, DeploymentEvent] = {
    "InProgress": "core-works",
    "Success": "core-succeeded",
    "Failure": "core-failed",
}


async def begin(tx: Transaction, home: Home, request: Members) -> Members:
    """Begin a `NewDeployment` of a group version, or a `Redeployment` of an earlier deployment."""
    group = await existing_group(tx, home, request["GroupId"])
    rollout = await _rollout(tx, home, group.id)
    if rollout.document.running is not None:
        raise AwsError(
            "ConcurrentDeployment",
            f"Deployment {rollout.document.running} of this group is still running. Wait until "
            "GetDeploymentStatus shows Success or Failure, then deploy again.",
            http_status=400,
        )
    deployment_type, version_id = await _order(tx, home, group.id, request)
    document = Deployment(
        deployment_type=deployment_type,
        group_version_id=version_id,
        minutes=allowed_minutes(group.document.tags),
    )
    record = await _insert(tx, home, group.id, document)
    await tx.update(rollout, msgspec.structs.replace(rollout.document, running=record.id))
    return _created_answer(home, group.id, record.id)


async def reset(tx: Transaction, home: Home, request: Members) -> Members:
    """Clear what the cloud keeps of a group's deployments, and begin the reset of its core.

    A forced reset is for a lost core: it does not wait for one, may end a running deployment,
    and ends the overlap of rotated authorities.
    """
    force = bool(request.get("Force"))
    group = await existing_group(tx, home, request["GroupId"])
    rollout = await _rollout(tx, home, group.id)
    if rollout.document.running is not None and not force:
        raise bad_request(
            f"Deployment {rollout.document.running} of this group is in progress; its deployments "
            "can be reset when it has ended, or with Force"
        )
    await _forget(tx, home, group.id)
    if force:
        await authorities.end_overlap(tx, home, group.id)
    document = Deployment(
        deployment_type="ForceResetDeployment" if force else "ResetDeployment",
        group_version_id="",
        minutes=DEFAULT_DEPLOYMENT_MINUTES if force else allowed_minutes(group.document.tags),
        core_thing_arn=rollout.document.core_thing_arn,
        core_thing_name=rollout.document.core_thing_name,
    )
    record = await _insert(tx, home, group.id, document)
    emptied = msgspec.structs.replace(
        rollout.document,
        running=record.id,
        target=None,
        serving=None,
        reset_at=record.created_at,
    )
    await tx.update(rollout, emptied)
    return _created_answer(home, group.id, record.id)


async def deliver(
    tx: Transaction,
    home: Home,
    record: Record[Deployment],
    core: CoreMember | None,
    files: DeploymentFiles | None,
) -> Record[Deployment]:
    """Record that a deployment is built and on its way to the core (None: there is no core).

    What waits for no core (a forced reset, a group that never had one) has succeeded.
    """
    group_id = record.parent or ""
    document = record.document
    if core is not None:
        document = msgspec.structs.replace(
            document, core_thing_arn=core.thing_arn, core_thing_name=core.thing_name
        )
    state = after(document.state, "built")
    waits = document.core_thing_arn and document.deployment_type != "ForceResetDeployment"
    if not waits:
        state = after(state, "core-succeeded")
    if files is not None:
        await tx.insert(DEPLOYMENT_FILES, home.account, record.id, files)
    rollout = await _rollout(tx, home, group_id)
    reached = msgspec.structs.replace(
        rollout.document,
        running=record.id if waits else None,
        target=record.id,
        core_thing_arn=document.core_thing_arn,
        core_thing_name=document.core_thing_name,
    )
    await tx.update(rollout, reached)
    await note_status(tx, home, record, *(("InProgress",) if waits else ("InProgress", "Success")))
    return await tx.update(
        record,
        msgspec.structs.replace(document, state=state, delivered=bool(document.core_thing_arn)),
    )


async def fail(
    tx: Transaction,
    home: Home,
    record: Record[Deployment],
    message: str,
    errors: Sequence[ErrorDetail] = (),
) -> None:
    """Record that a deployment cannot be built, and why."""
    failed = msgspec.structs.replace(
        record.document,
        state=after(record.document.state, "cannot-be-built"),
        error_message=message[:MAX_ERROR_MESSAGE],
        errors=tuple(errors),
    )
    await tx.update(record, failed)
    await note_status(tx, home, record, "Failure")
    await _end_running(tx, home, record)


async def give_up(tx: Transaction, home: Home, record: Record[Deployment], now: datetime) -> bool:
    """Record that a deployment has not come to its end in time, if that is so.

    What was wished for goes on being wished for: a core that was off takes it when it comes back,
    unless there is a newer one by then. But the group waits for it no longer.
    """
    document = record.document
    if document.state not in RUNNING or now < deadline(record):
        return False
    state = after(document.state, "overdue")
    overdue = msgspec.structs.replace(document, state=state, error_message=_overdue(document))
    await tx.update(record, overdue)
    await note_status(tx, home, record, state)
    await _end_running(tx, home, record)
    return True


def deadline(record: Record[Deployment]) -> datetime:
    """Return the moment from which a deployment that runs counts as failed."""
    return record.created_at + timedelta(minutes=record.document.minutes)


async def report(
    tx: Transaction, home: Home, record: Record[Deployment], said: DeploymentStatusReport
) -> Record[Deployment]:
    """Record what the core says of a deployment. Raises `CallerError` if it is not the newest."""
    rollout = await _rollout(tx, home, record.parent or "")
    if rollout.document.target != record.id:
        raise CallerError(f"deployment {record.id} is not the group's newest any more")
    state = after(record.document.state, _REPORTS[said.status])
    message = said.error_message[:MAX_ERROR_MESSAGE]
    if said.status == "InProgress" and state == "Failure":
        message = record.document.error_message  # why it failed stays said until it ends anew
    reported = msgspec.structs.replace(record.document, state=state, error_message=message)
    changed = await tx.update(record, reported)
    if state != record.document.state:
        await note_status(tx, home, record, state)
    document = rollout.document
    if state != "InProgress" and document.running == record.id:
        document = msgspec.structs.replace(document, running=None)
    if state == "Success":
        serving = None if reported.deployment_type in RESETS else record.id
        document = msgspec.structs.replace(document, serving=serving)
    elif state == "Failure":
        document = await _back_to_serving(tx, home, document)
    if document != rollout.document:
        await tx.update(rollout, document)
    return changed


async def existing(
    reader: Store | Transaction, home: Home, group_id: str, deployment_id: str
) -> Record[Deployment]:
    """Return a deployment of a group, or raise `IdNotFoundException`."""
    record = await reader.get(DEPLOYMENT, home.account, deployment_id)
    if record is None or record.parent != group_id:
        raise not_found("deployment")
    return record


async def status(store: Store, home: Home, request: Members) -> Members:
    """Return where a deployment stands, with the reasons of a failure."""
    record = await existing(store, home, request["GroupId"], request["DeploymentId"])
    deployment = record.document
    answer: dict[str, Any] = {
        "DeploymentStatus": deployment.state,
        "DeploymentType": deployment.deployment_type,
        "UpdatedAt": iso_milliseconds(record.updated_at),
    }
    if deployment.state == "Failure":
        answer["ErrorMessage"] = deployment.error_message
    if deployment.errors:
        answer["ErrorDetails"] = [
            {"DetailedErrorCode": error.code, "DetailedErrorMessage": error.message}
            for error in deployment.errors
        ]
    return answer


async def list_all(store: Store, home: Home, request: Members) -> Members:
    """Return one page of a group's deployments, oldest first."""
    paging = Paging.of(request)
    group = await existing_group(store, home, request["GroupId"])
    page = await store.list(
        DEPLOYMENT, home.account, parent=group.id, limit=paging.limit, after=paging.after
    )
    rows = [
        {
            "CreatedAt": iso_milliseconds(record.created_at),
            "DeploymentArn": deployment_arn(home.region, home.account, group.id, record.id),
            "DeploymentId": record.id,
            "DeploymentType": record.document.deployment_type,
            "GroupArn": _deployed_arn(home, group.id, record.document.group_version_id),
        }
        for record in page.records
    ]
    return page_answer("Deployments", rows, page)


def _deployed_arn(home: Home, group_id: str, version_id: str) -> str:
    """Return the ARN of the version deployed (page gg-troubleshooting); a reset has none."""
    return (
        group_version_arn(home, group_id, version_id) if version_id else group_arn(home, group_id)
    )


async def _order(
    tx: Transaction, home: Home, group_id: str, request: Members
) -> tuple[DeploymentType, str]:
    """Return which type of deployment of which group version is asked for."""
    wanted = request["DeploymentType"]
    if wanted == "NewDeployment":
        version_id = request.get("GroupVersionId")
        if not version_id:
            raise bad_request("a NewDeployment needs a GroupVersionId")
        await existing_group_version(tx, home, group_id, version_id)
        return "NewDeployment", version_id
    if wanted == "Redeployment":
        if not request.get("DeploymentId"):
            raise bad_request("a Redeployment needs the DeploymentId of an earlier deployment")
        earlier = await existing(tx, home, group_id, request["DeploymentId"])
        if earlier.document.deployment_type in RESETS:
            raise bad_request(f"deployment {earlier.id} is a reset; it cannot be deployed again")
        version_id = request.get("GroupVersionId") or earlier.document.group_version_id
        await existing_group_version(tx, home, group_id, version_id)
        return "Redeployment", version_id
    raise bad_request(
        f"CreateDeployment makes a NewDeployment or a Redeployment; for {wanted} call "
        "ResetDeployments"
    )


async def _insert(
    tx: Transaction, home: Home, group_id: str, document: Deployment
) -> Record[Deployment]:
    record = await tx.insert(DEPLOYMENT, home.account, new_uuid(), document, parent=group_id)
    await note_status(tx, home, record, document.state)
    return record


async def _end_running(tx: Transaction, home: Home, record: Record[Deployment]) -> None:
    rollout = await _rollout(tx, home, record.parent or "")
    if rollout.document.running == record.id:
        await tx.update(rollout, msgspec.structs.replace(rollout.document, running=None))


def _overdue(document: Deployment) -> str:
    """Return what is said of a deployment that has not come to its end in time."""
    allowed = in_words(timedelta(minutes=document.minutes))
    if not document.delivered:
        return f"The deployment could not be built within {allowed}; deploy again."
    return (
        f"The core {document.core_thing_name} did not report how the deployment went within "
        f"{allowed}. It goes on with what it ran before, and takes this deployment when it is back "
        "unless the group was deployed or reset again by then."
    )


async def _rollout(tx: Transaction, home: Home, group_id: str) -> Record[Rollout]:
    record = await tx.get(ROLLOUT, home.account, group_id)
    return record or await tx.insert(ROLLOUT, home.account, group_id, Rollout())


async def _forget(tx: Transaction, home: Home, group_id: str) -> None:
    for record in await tx.all(DEPLOYMENT, home.account, parent=group_id):
        files = await tx.get(DEPLOYMENT_FILES, home.account, record.id)
        if files is not None:
            await tx.delete(files)
        await tx.delete(record)


async def _back_to_serving(tx: Transaction, home: Home, rollout: Rollout) -> Rollout:
    """After a failure the core that serves goes on serving, and speaks for the group."""
    if rollout.serving is None:
        return rollout
    serving = await tx.get(DEPLOYMENT, home.account, rollout.serving)
    if serving is None:
        return rollout
    return msgspec.structs.replace(
        rollout,
        core_thing_arn=serving.document.core_thing_arn,
        core_thing_name=serving.document.core_thing_name,
    )


def _created_answer(home: Home, group_id: str, deployment_id: str) -> Members:
    return {
        "DeploymentArn": deployment_arn(home.region, home.account, group_id, deployment_id),
        "DeploymentId": deployment_id,
    }
