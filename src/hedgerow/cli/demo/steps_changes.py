"""Things that change while devices are connected: revocation, rotation, a cloud that goes away."""

import json
from typing import Any

from botocore.exceptions import ClientError

from hedgerow.cli.demo import site as names
from hedgerow.cli.demo.device import Device
from hedgerow.cli.demo.observation import Observation
from hedgerow.cli.demo.site import Site
from hedgerow.cli.demo.stranger import server_certificate
from hedgerow.cli.demo.waiting import until
from hedgerow.kernel import SystemClock

_QUEUED = 5
_CUT_WITHIN_SECONDS = 1.0


def rotation(site: Site) -> Observation:
    """Give the core one more address: it must have a new server certificate, and drop no one."""
    before = _shown_certificate(site)
    info = site.aws.greengrass.get_connectivity_info(ThingName=names.CORE)["ConnectivityInfo"]
    more = {"Id": "demo", "HostAddress": "line-7.example", "PortNumber": site.address[1]}
    site.aws.greengrass.update_connectivity_info(
        ThingName=names.CORE, ConnectivityInfo=[*info, more]
    )
    took = until(lambda: _shown_certificate(site) != before, "a new server certificate", 20)
    payload = b'{"celsius": 23.0}'
    site.a.publish(names.TEMPERATURE, payload)
    site.b.wait_for(names.TEMPERATURE, payload)
    dropped = [device.name for device in site.members if device.interruptions.items()]
    return Observation(
        "Server certificate rotated",
        "a new certificate with all three connected, and none dropped",
        f"new after {took:.1f} s; dropped: {', '.join(dropped) or 'none'}; A still reaches B",
        ok=not dropped,
    )


def local_without_cloud(site: Site) -> Observation:
    """Stop the cloud; what is local goes on, what is for the cloud is queued."""
    code = site.cloud.stop()
    payload = b'{"celsius": 24.0}'
    site.a.publish(names.TEMPERATURE, payload)
    site.b.wait_for(names.TEMPERATURE, payload)
    for number in range(1, _QUEUED + 1):
        report = {"state": {"reported": {"count": number}}}
        site.a.publish(names.SHADOW_UPDATE, json.dumps(report).encode())
    return Observation(
        "Cloud stopped",
        "A still reaches B",
        f"the cloud ended with exit code {code}; {site.b.name} received {payload.decode()}",
        ok=code == 0,
    )


def queue_arrives(site: Site) -> Observation:
    """Start the cloud again: A's shadow must have a version for each queued message."""
    ports = site.ports
    site.cloud.start(
        f"--api-port={ports.api}",
        f"--device-https-port={ports.https}",
        f"--device-mqtt-port={ports.mqtt}",
        f"--combined-port={ports.combined}",
    )
    took = until(lambda: _count(_shadow(site)) == _QUEUED, "the queued messages", 30)
    version = _shadow(site)["version"]
    return Observation(
        "Cloud back",
        f"the {_QUEUED} messages sent meanwhile arrive, in order, each once",
        f"after {took:.1f} s the shadow of {site.a.name} is at version {version}, "
        f"count {_count(_shadow(site))}",
        ok=version == _QUEUED,
    )


def revoked_at_core(site: Site) -> Observation:
    """Revoke C's certificate while it is connected to the core."""
    return _revoke(site, site.c, "core")


def revoked_at_cloud(site: Site) -> Observation:
    """Revoke the dashboard's certificate while it is connected to the cloud."""
    site.dashboard.close()
    site.dashboard.connect(site.ports.host, site.ports.mqtt, site.root_ca_pem)
    return _revoke(site, site.dashboard, "cloud")


def _revoke(site: Site, device: Device, where: str) -> Observation:
    already = len(device.interruptions.items())
    clock = SystemClock()
    start = clock.monotonic()
    site.aws.iot.update_certificate(certificateId=device.files.certificate_id, newStatus="REVOKED")
    until(lambda: len(device.interruptions.items()) > already, "the connection to be cut", 10)
    took = clock.monotonic() - start
    device.close()
    return Observation(
        f"Certificate revoked ({where})",
        f"{device.name}'s live connection is cut within a second",
        f"cut {took * 1000:.0f} ms after the call was made",
        ok=took <= _CUT_WITHIN_SECONDS,
    )


def _shown_certificate(site: Site) -> bytes:
    files = site.a.files
    return server_certificate(site.address, site.core_ca, files.key, files.certificate)


def _shadow(site: Site) -> dict[str, Any]:
    """Return A's shadow, empty while there is none."""
    try:
        answer = site.aws.iot_data.get_thing_shadow(thingName=names.DEVICE_A)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return {}
    shadow: dict[str, Any] = json.loads(answer["payload"].read())
    return shadow


def _count(shadow: dict[str, Any]) -> int:
    count: int = shadow.get("state", {}).get("reported", {}).get("count", 0)
    return count
