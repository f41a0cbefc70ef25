"""How a cloud comes into being: keys, authorities, store, administrator; once, in an empty folder.

INVARIANT: `cloud.json` is written last, so a folder is either a whole cloud or none.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hedgerow.cloud.app.administrator import write_administrator
from hedgerow.cloud.app.founding import found_cloud
from hedgerow.cloud.app.layout import Layout, Settings, require_private_folder
from hedgerow.cloud.cloudtrail import TrailKeys
from hedgerow.cloud.home import Home
from hedgerow.cloud.organizations import new_account_id
from hedgerow.kernel import Clock, ConfigurationError, Secret, quoted
from hedgerow.pki import (
    CertificateAuthority,
    FileKey,
    device_authority,
    server_certificate,
    signing_certificate,
    write_private,
    write_public,
)
from hedgerow.pki.profiles import AUTHORITY_LIFETIME
from hedgerow.store import MasterKey, Store

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")
_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class InitResult:
    """What a new cloud is called, and the one time its administrator's secret is given out."""

    data_dir: Path
    account_id: str
    region: str
    administrator_arn: str
    access_key_id: str
    secret_access_key: Secret[str]
    root_certificate: Path


async def init_cloud(
    data_dir: Path,
    *,
    region: str = "us-east-1",
    account_id: str | None = None,
    host_names: Sequence[str] = (),
    clock: Clock,
) -> InitResult:
    """Make a new cloud in an empty or absent folder.

    `host_names` are the names and addresses by which devices and programs will reach it, besides
    this machine's own. Raises `ConfigurationError` if the folder is in use or a value is wrong.
    """
    settings = Settings(
        account_id=_checked(
            account_id or new_account_id(), _ACCOUNT_ID, "an account id (12 digits)"
        ),
        region=_checked(region, _REGION, "a region (as eu-west-1)"),
        host_names=tuple(dict.fromkeys((*host_names, *LOCAL_NAMES))),
    )
    server_certificate(settings.host_names)  # which refuses a wrong name while nothing is made
    layout = Layout(data_dir)
    _claim(layout)
    home = Home(account=settings.account_id, region=settings.region)
    await asyncio.to_thread(_make_keys, layout, settings, clock)
    master_key = MasterKey.create_file(layout.master_key)
    await asyncio.to_thread(TrailKeys.open, layout.trail, master_key)
    store = await Store.open(layout.database, master_key, clock)
    try:
        administrator = await found_cloud(store, home)
    finally:
        await store.close()
    write_administrator(layout.administrator, administrator)
    write_private(layout.settings, msgspec.json.format(msgspec.json.encode(settings)))
    return InitResult(
        data_dir=data_dir,
        account_id=home.account,
        region=home.region,
        administrator_arn=administrator.arn,
        access_key_id=administrator.access_key_id,
        secret_access_key=Secret(administrator.secret_access_key),
        root_certificate=layout.root_certificate,
    )


def _claim(layout: Layout) -> None:
    try:
        layout.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        in_use = any(layout.folder.iterdir())
    except OSError as error:
        raise ConfigurationError(f"cannot use {layout.folder}: {error.strerror}") from error
    if layout.settings.exists():
        raise ConfigurationError(
            f"{layout.folder} is a cloud's data folder already; start it with: hedgerow cloud run "
            f"--data {layout.folder}"
        )
    if in_use:
        raise ConfigurationError(f"{layout.folder} is not empty; give a new folder")
    require_private_folder(layout.folder)


def _make_keys(layout: Layout, settings: Settings, clock: Clock) -> None:
    """Make every key and certificate. The root's key is RSA, which every old device can verify."""
    root = CertificateAuthority.create_root(
        FileKey.generate_rsa(layout.root_key), f"Hedgerow root {settings.account_id}", clock
    )
    write_public(layout.root_certificate, root.certificate_pem.encode())
    devices = root.issue_authority(
        device_authority(f"Hedgerow devices {settings.account_id}"),
        FileKey.generate_rsa(layout.device_authority_key),
    )
    write_public(layout.device_authority_certificate, devices.certificate_pem.encode())
    server_key = FileKey.generate_rsa(layout.server_key)
    server = root.issue(server_certificate(settings.host_names), server_key.public_key)
    write_public(layout.server_certificate, server.encode())
    # As long-lived as the root: a core must be able to check what it holds after years offline.
    signing_key = FileKey.generate_ec(layout.signing_key)
    signing = root.issue(signing_certificate(lifetime=AUTHORITY_LIFETIME), signing_key.public_key)
    write_public(layout.signing_certificate, signing.encode())


def _checked(text: str, pattern: re.Pattern[str], what: str) -> str:
    if not pattern.fullmatch(text):
        raise ConfigurationError(f"{quoted(text)} is not {what}")
    return text
