"""Discovery, and messages along the rows of the table and nowhere else."""

from hedgerow.cli.demo import site as names
from hedgerow.cli.demo.device import Device
from hedgerow.cli.demo.identity import FoundCore
from hedgerow.cli.demo.observation import Observation
from hedgerow.cli.demo.site import Site
from hedgerow.kernel import UnavailableError

READING = b'{"celsius": 21.5}'


def discovery(site: Site) -> Observation:
    """Ask with each SDK for its core, then connect to it with the CA that came with the answer."""
    a = site.a.discover(site.ports.host, site.ports.combined)
    c = site.c.discover(site.ports.host, site.ports.combined)
    b = site.b.discover(site.ports.host, site.ports.https)
    site.found = a
    for device in site.members:
        site.address = _connect_to_first(device, a)
    same = {a.thing_arn, b.thing_arn, c.thing_arn}
    ok = len(same) == 1 and a.thing_arn.endswith(f":thing/{names.CORE}")
    host, port = site.address
    return Observation(
        "Discovery",
        f"both SDKs find {names.CORE}, and connect to it with the CA it gave",
        f"{len(a.addresses)} addresses; A, B and C connected to {host}:{port}",
        ok,
    )


def reaches_device(site: Site) -> Observation:
    """Send along the row from A to B."""
    site.b.subscribe(names.TEMPERATURE)
    site.a.publish(names.TEMPERATURE, READING)
    got = site.b.wait_for(names.TEMPERATURE, READING)
    return Observation(
        "Row A to B",
        f"{site.b.name} receives what {site.a.name} sends",
        f"{site.b.name} received {got.payload.decode()}",
        ok=True,
    )


def reaches_cloud(site: Site) -> Observation:
    """Send along the row from A to the cloud, where a dashboard listens."""
    dashboard = site.dashboard
    dashboard.connect(site.ports.host, site.ports.mqtt, site.root_ca_pem)
    dashboard.subscribe("line/#")
    payload = b'{"celsius": 22.0}'
    site.a.publish(names.TEMPERATURE, payload)
    got = dashboard.wait_for(names.TEMPERATURE, payload)
    return Observation(
        "Row A to cloud",
        "a client of the cloud's broker receives it",
        f"{dashboard.name} received {got.payload.decode()}",
        ok=True,
    )


def reaches_no_one_else(site: Site) -> Observation:
    """Send where there is no row to C, then along one that is there, and see what C got."""
    asked = _subscription_outcome(site)
    site.c.subscribe("line/press/+")
    site.a.publish(names.TEMPERATURE, READING)
    site.a.publish(names.FENCE, b"afterwards")
    site.c.wait_for(names.FENCE, b"afterwards")
    stray = [message for message in site.c.messages.items() if message.topic != names.FENCE]
    return Observation(
        "No row A to C",
        f"{site.c.name} asks for the same topic and receives nothing on it",
        f"asked for it alone: {asked}; with line/press/+: {len(stray)} messages on it, "
        "while the next one, on a row of its own, arrived",
        ok=not stray,
    )


def _subscription_outcome(site: Site) -> str:
    try:
        site.c.subscribe(names.TEMPERATURE)
    except Exception as error:  # noqa: BLE001 - the SDK raises errors of its own
        return f"refused ({type(error).__name__})"
    return "accepted"


def _connect_to_first(device: Device, found: FoundCore) -> tuple[str, int]:
    """Try the addresses in turn, as the SDKs' samples do, and return the one that answered."""
    last: Exception | None = None
    for host, port in found.addresses:
        try:
            device.connect(host, port, found.ca_pem)
        except Exception as error:  # noqa: BLE001 - each SDK raises errors of its own
            last = error
        else:
            return host, port
    raise UnavailableError(f"{device.name} could connect to none of its core's addresses: {last}")
