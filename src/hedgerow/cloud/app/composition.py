"""Which rooms a cloud is made of, and how they are put together. No rule of any room is here."""

from dataclasses import dataclass

from hedgerow.aws import CallRecord, Gateway
from hedgerow.cloud.app.account_rooms import Ground
from hedgerow.cloud.app.accounts import Accounts
from hedgerow.cloud.app.administrator import AdministratorOnly, StoredAccessKeys
from hedgerow.cloud.app.authorities import Authorities
from hedgerow.cloud.app.layout import Settings
from hedgerow.cloud.app.records import record_call
from hedgerow.cloud.cloudtrail import TrailKeys
from hedgerow.cloud.home import Home
from hedgerow.kernel import Clock
from hedgerow.store import Store


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything that has to be started and stopped, put together but not yet running."""

    accounts: Accounts
    gateway: Gateway


def compose(
    store: Store,
    settings: Settings,
    authorities: Authorities,
    trail_keys: TrailKeys,
    clock: Clock,
) -> Rooms:
    """Put the rooms together."""
    home = Home(account=settings.account_id, region=settings.region)
    ground = Ground(
        store=store,
        authorities=authorities,
        trail_keys=trail_keys,
        management=home.account,
        endpoint=settings.host_names[0],
        clock=clock,
    )
    accounts = Accounts(ground, home)
    gateway = Gateway(
        [type(service) for service in accounts.founding.services],
        accounts.operations_of,
        StoredAccessKeys(store, home),
        AdministratorOnly(home),
        region=home.region,
        clock=clock,
        record=lambda record: record_call(accounts.trail_of(_account_of(record)), record),
    )
    return Rooms(accounts=accounts, gateway=gateway)


def _account_of(record: CallRecord) -> str | None:
    """Return the account whose trail a call belongs to: the caller's, if it proved one."""
    return record.caller.account if record.caller is not None else None
