"""The group under measurement, as files: keys, certificates, signed documents, access lists.

A folder of it is made once a run, by a process that serves nothing, so that no server carries the
memory of making it.
"""

import functools
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from tests.support.cloud_documents import Device, GroupDouble, thing_arn
from tests.support.pki import Identity

from bench.table import DEVICES, access_list, rights_by_device, table
from hedgerow.core.certificates import ServerCertificate
from hedgerow.core.deployment import (
    Expectation,
    VerifiedGroup,
    VerifiedMembership,
    verify_group,
    verify_manifest,
    verify_membership,
)
from hedgerow.pki import FileKey, Profile, device_certificate, server_certificate

KEYS = 8
"""RSA keys of devices. Each device has a certificate of its own over one of them: to make 2,500
keys takes minutes, and no server sees the difference."""
_NAMES = ("localhost", "127.0.0.1")
_LIFETIME = timedelta(days=7)
_kept: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def site() -> Path:
    """Return the folder of the site, which is made by the first call and goes with the process."""
    kept = tempfile.TemporaryDirectory(prefix="hedgerow-bench-site-")
    _kept.append(kept)
    folder = Path(kept.name)
    _write(folder)
    return folder


def verified(folder: Path) -> tuple[VerifiedGroup, VerifiedMembership]:
    """Return the proof values of the group in a folder."""
    about = json.loads((folder / "expected.json").read_text())
    now = datetime.fromtimestamp(about["created_at"], UTC)
    roots = [x509.load_pem_x509_certificate((folder / "root.ca.pem").read_bytes())]
    expected = Expectation(about["core"], about["group_id"], about["deployment_id"])
    manifest = verify_manifest((folder / "manifest.signed").read_bytes(), roots, now, expected)
    membership = verify_membership(
        (folder / "membership.signed").read_bytes(),
        roots,
        now,
        group_id=expected.group_id,
        deployment_id=expected.deployment_id,
        serial_floor=0,
    )
    return verify_group(manifest, (folder / "group.json").read_bytes()), membership


def certificate(folder: Path) -> ServerCertificate:
    """Return the server certificate in a folder."""
    about = json.loads((folder / "expected.json").read_text())
    key = FileKey.load(folder / "server.private.key")
    return ServerCertificate.of(
        key, (folder / "server.cert.pem").read_text(), about["group_id"], _NAMES
    )


def _write(folder: Path) -> None:
    group = GroupDouble()
    keys = [FileKey.generate_rsa_in_memory() for _ in range(KEYS)]
    group.devices = [
        _device(group, name, keys[number % KEYS]) for number, name in enumerate(DEVICES)
    ]
    arns = {device.name: device.arn for device in group.devices}
    group.rows = [(arns[row.source], row.subject, arns[row.target]) for row in table()]
    _write_documents(folder, group)
    server_key = FileKey.generate_rsa_in_memory()
    pem = group.keys.group_ca.issue(server_certificate(_NAMES, _LIFETIME), server_key.public_key)
    Identity(server_key, pem).write(folder, "server")
    (folder / "group.ca.pem").write_text(group.keys.group_ca.certificate_pem)
    (folder / "device.ca.pem").write_text(group.keys.device_ca.certificate_pem)
    (folder / "access.list").write_text(access_list())
    (folder / "access.json").write_text(json.dumps(rights_by_device()))
    _write_identities(folder, group, group.devices)


def _device(group: GroupDouble, name: str, key: FileKey) -> Device:
    """Return a device with an RSA key, as CreateKeysAndCertificate makes them."""
    return Device(name, key, group.keys.device_ca.issue(device_certificate(), key.public_key))


def _write_documents(folder: Path, group: GroupDouble) -> None:
    about = {
        "core": thing_arn(group.core),
        "group_id": group.group_id,
        "deployment_id": group.deployment_id,
        "created_at": group.created_at.timestamp(),
    }
    (folder / "expected.json").write_text(json.dumps(about))
    (folder / "root.ca.pem").write_text(group.keys.root.certificate_pem)
    (folder / "manifest.signed").write_bytes(group.signed_manifest())
    (folder / "membership.signed").write_bytes(group.signed_membership())
    (folder / "group.json").write_bytes(group.group_json())


def _write_identities(folder: Path, group: GroupDouble, devices: Sequence[Device]) -> None:
    for device in devices:
        Identity(device.key, device.certificate_pem).write(folder / "hedgerow", device.name)
        # The others take the user's name from the certificate's subject; ours are all alike.
        named = group.keys.device_ca.issue(
            Profile(device.name, _LIFETIME, device_certificate().usage), device.key.public_key
        )
        Identity(device.key, named).write(folder / "named", device.name)
