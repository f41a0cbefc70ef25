"""From the targets of a job to things: of this account, registered, each once."""

from collections.abc import Sequence

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot.arns import read_thing_arn, read_thing_group_arn
from hedgerow.cloud.iot.documents import THING, THING_GROUP, THING_GROUP_MEMBER
from hedgerow.cloud.jobs.documents import Job
from hedgerow.cloud.jobs.faults import JobError, invalid, no_such_thing
from hedgerow.kernel import quoted
from hedgerow.store import Store, Transaction


async def things_of(
    reader: Store | Transaction, home: Home, targets: Sequence[str]
) -> tuple[str, ...]:
    """Return the names of the things that targets stand for now, or raise `JobError`."""
    things: dict[str, None] = {}
    for target in targets:
        name = read_thing_arn(target, home)
        if name is not None:
            if await reader.get(THING, home.account, name) is None:
                raise no_such_thing(name)
            things[name] = None
            continue
        group = read_thing_group_arn(target, home)
        if group is None:
            raise invalid(
                f"The target {quoted(target)} is not the ARN of a thing or thing group of this "
                "account and region."
            )
        if await reader.get(THING_GROUP, home.account, group) is None:
            raise JobError("ResourceNotFound", f"Thing group {quoted(group)} does not exist.")
        members = await reader.all(THING_GROUP_MEMBER, home.account, parent=group)
        things.update({record.document.thing_name: None for record in members})
    return tuple(things)


async def still_meant(tx: Transaction, home: Home, job: Job, thing: str) -> bool:
    """Tell whether a thing is one that a job is for: there, and of a continuous one a target now.

    A snapshot is for those that were targets when it was made.
    """
    record = await tx.get(THING, home.account, thing)
    if record is None or job.selection == "SNAPSHOT":
        return record is not None
    named = {read_thing_arn(target, home) for target in job.targets}
    return thing in named or not groups_of(home, job.targets).isdisjoint(record.document.groups)


def groups_of(home: Home, targets: Sequence[str]) -> frozenset[str]:
    """Return the thing groups among targets."""
    return frozenset(
        group
        for group in (read_thing_group_arn(target, home) for target in targets)
        if group is not None
    )
