"""Operations on which events are told."""

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iot import registry_events
from hedgerow.cloud.iot.documents import EVENT_CONFIGURATIONS
from hedgerow.cloud.iot.faults import invalid_request
from hedgerow.cloud.iot.service_base import IotOperations
from hedgerow.kernel import quoted


class EventOperations(IotOperations):
    """DescribeEventConfigurations and UpdateEventConfigurations."""

    @operation("DescribeEventConfigurations")
    async def describe_event_configurations(self, _call: Call) -> Answer:
        """Return for every kind of event whether it is told."""
        told = await registry_events.configurations(self._store, self._home)
        answer = {"eventConfigurations": {kind: {"Enabled": on} for kind, on in told.items()}}
        record = await self._store.get(EVENT_CONFIGURATIONS, self._home.account, self._home.region)
        if record is None:
            return answer
        return {
            **answer,
            "creationDate": record.created_at,
            "lastModifiedDate": record.updated_at,
        }

    @operation("UpdateEventConfigurations")
    async def update_event_configurations(self, call: Call) -> Answer:
        """Turn kinds of events on or off; the others stay as they are."""
        wanted = call.input.get("eventConfigurations") or {}
        for kind in wanted:
            if kind not in registry_events.KINDS:
                raise invalid_request(
                    f"{quoted(kind)} is no kind of event; there are "
                    f"{', '.join(registry_events.KINDS)}."
                )
        enabled = {kind: bool(one.get("Enabled")) for kind, one in wanted.items()}
        async with self._writing() as tx:
            await registry_events.configure(tx, self._home, enabled)
        return {}
