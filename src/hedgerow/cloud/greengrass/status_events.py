"""The event of a deployment that came into another state.

Source: guide page deployment-notifications. Bulk deployments as such have none: each of their
deployments has its own.
"""

from typing import Final

from hedgerow.cloud.events import Event, note
from hedgerow.cloud.greengrass.documents import Deployment, DeploymentState
from hedgerow.cloud.home import Home
from hedgerow.store import Record, Transaction

SOURCE: Final = "aws.greengrass"
DETAIL_TYPE: Final = "Greengrass Deployment Status Change"


def status_topic(group_id: str) -> str:
    """Return the topic of the account's broker that tells of a group's deployments."""
    return f"$aws/events/greengrass/deployments/{group_id}"


async def note_status(
    tx: Transaction, home: Home, record: Record[Deployment], *states: DeploymentState
) -> None:
    """Have it told that a deployment came into these states, one after the other."""
    group_id = record.parent or ""
    for state in states:
        event = Event(
            source=SOURCE,
            detail_type=DETAIL_TYPE,
            topic=status_topic(group_id),
            detail={
                "group-id": group_id,
                "deployment-id": record.id,
                "deployment-type": record.document.deployment_type,
                "status": state,
            },
        )
        await note(tx, home, event)
