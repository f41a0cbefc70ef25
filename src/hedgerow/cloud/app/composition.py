"""Which rooms a cloud is made of, and how they are put together. No rule of any room is here."""

from dataclasses import dataclass
from pathlib import Path

from hedgerow.aws import CallRecord, Gateway
from hedgerow.cloud.app.account_rooms import Ground
from hedgerow.cloud.app.accounts import Accounts
from hedgerow.cloud.app.authorities import Authorities
from hedgerow.cloud.app.identities import Identities, identities
from hedgerow.cloud.app.layout import Settings
from hedgerow.cloud.app.mqtt_door import MqttDoor
from hedgerow.cloud.app.open_accounts import OpenAccountsOnly
from hedgerow.cloud.app.records import record_call
from hedgerow.cloud.app.session_vault import SessionVault
from hedgerow.cloud.broker.websockets import MQTT_PATH
from hedgerow.cloud.cloudtrail import Deliveries, TrailKeys, entered_account
from hedgerow.cloud.greengrass import InputStores
from hedgerow.cloud.home import Home
from hedgerow.cloud.iam.key_ids import account_of
from hedgerow.kernel import Clock
from hedgerow.store import Store


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything that has to be started and stopped, put together but not yet running."""

    identities: Identities
    accounts: Accounts
    gateway: Gateway


def compose(
    store: Store,
    settings: Settings,
    authorities: Authorities,
    trail_keys: TrailKeys,
    *,
    sessions: SessionVault,
    deliveries: Deliveries,
    inputs: InputStores,
    updates: Path,
    events: Path,
    clock: Clock,
) -> Rooms:
    """Put the rooms together."""
    home = Home(account=settings.account_id, region=settings.region)
    shared = identities(store, clock)
    ground = Ground(
        store=store,
        authorities=authorities,
        identities=shared,
        trail_keys=trail_keys,
        sessions=sessions,
        deliveries=deliveries,
        inputs=inputs,
        updates=updates,
        events=events,
        management=home.account,
        endpoint=settings.host_names[0],
        clock=clock,
    )
    accounts = Accounts(ground, home)

    def record(call: CallRecord) -> None:
        record_call(accounts.trail_of(_account_of(call)), call)
        entered = entered_account(call)
        if entered is not None:
            accounts.trail_of(entered).record_entry(call)
        shared.last_use.note(call)

    credentials = OpenAccountsOnly(shared.credentials, accounts)
    mqtt = MqttDoor(credentials, accounts, shared.last_use, region=home.region, clock=clock)
    gateway = Gateway(
        [type(service) for service in accounts.founding.services],
        accounts.operations_of,
        credentials,
        shared.authorizer,
        region=home.region,
        clock=clock,
        record=record,
        upgraders={MQTT_PATH: mqtt},
    )
    return Rooms(identities=shared, accounts=accounts, gateway=gateway)


def _account_of(call: CallRecord) -> str | None:
    """Return the account whose trail a call belongs to: the caller's, or the one it claimed."""
    return call.caller.account if call.caller is not None else account_of(call.access_key_id)
