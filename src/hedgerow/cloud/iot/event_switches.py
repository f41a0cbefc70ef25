"""Which events are told, in memory, for those who tell of something that no transaction changes."""

from collections.abc import Callable, Sequence

from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import registry_events
from hedgerow.cloud.iot.documents import EVENT_CONFIGURATIONS, EventConfigurations
from hedgerow.store import Change, Store


class EventSwitches:
    """Answers at once whether a kind of event is told in one account.

    INVARIANT: once a change of the configuration is committed, the next answer goes by it.
    """

    def __init__(self, store: Store, home: Home) -> None:
        self._store = store
        self._home = home
        self._told = dict(registry_events.KINDS)
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Load the configuration, and follow the store from now on."""
        self._unsubscribe = self._store.on_commit(self._hear)
        self._told = await registry_events.configurations(self._store, self._home)

    def stop(self) -> None:
        """Follow no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def is_told(self, kind: str) -> bool:
        """Tell whether events of a kind are told now."""
        return self._told[kind]

    def _hear(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if (change.kind, change.account) != (EVENT_CONFIGURATIONS.name, self._home.account):
                continue
            document = change.document
            enabled = document.enabled if isinstance(document, EventConfigurations) else {}
            self._told = {**registry_events.KINDS, **enabled}
