"""What lies where in the cloud's data folder, and the settings made at its birth."""

import stat
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hedgerow.kernel import ConfigurationError

_OTHERS = 0o077


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What `init` decided for good: whose cloud this is and by which names it is reached."""

    account_id: str
    region: str
    host_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths inside a data folder. Its mode is 0700; private keys are 0600 besides."""

    folder: Path

    @property
    def settings(self) -> Path:
        """The settings; the folder is a cloud's once this file is there."""
        return self.folder / "cloud.json"

    @property
    def master_key(self) -> Path:
        """The key that wraps the store's data keys."""
        return self.folder / "master.key"

    @property
    def database(self) -> Path:
        """The store."""
        return self.folder / "state.db"

    @property
    def administrator(self) -> Path:
        """The administrator's access key, for `hedgerow env`."""
        return self.folder / "admin.json"

    @property
    def endpoints(self) -> Path:
        """Where the cloud listens; there only while it serves."""
        return self.folder / "endpoints.json"

    @property
    def root_certificate(self) -> Path:
        """The certificate that cores, devices and programs trust the cloud by."""
        return self.folder / "ca" / "root.ca.pem"

    @property
    def root_key(self) -> Path:
        """The root's key."""
        return self.folder / "ca" / "root.key"

    @property
    def device_authority_certificate(self) -> Path:
        """The authority of device certificates."""
        return self.folder / "ca" / "devices.ca.pem"

    @property
    def device_authority_key(self) -> Path:
        """Its key."""
        return self.folder / "ca" / "devices.key"

    @property
    def server_certificate(self) -> Path:
        """The cloud's TLS certificate; renewed while it serves."""
        return self.folder / "tls" / "server.pem"

    @property
    def server_key(self) -> Path:
        """Its key; it stays the same when the certificate is renewed."""
        return self.folder / "tls" / "server.key"

    @property
    def signing_certificate(self) -> Path:
        """The certificate under the cloud's signatures of deployments."""
        return self.folder / "signing" / "signing.pem"

    @property
    def signing_key(self) -> Path:
        """The key that signs deployments."""
        return self.folder / "signing" / "signing.key"

    @property
    def trail(self) -> Path:
        """The records of calls and refusals, one folder for each account, and their keys."""
        return self.folder / "trail"

    @property
    def sessions(self) -> Path:
        """MQTT sessions and retained messages: one folder for each account."""
        return self.folder / "sessions"

    @property
    def buckets(self) -> Path:
        """Input files of bulk deployments: one folder for each account, in it one a bucket."""
        return self.folder / "buckets"

    @property
    def s3(self) -> Path:
        """Where an S3-compatible store of input files is, with a key for it; mostly not there."""
        return self.folder / "s3.json"

    @property
    def events(self) -> Path:
        """What happened, to be followed: one folder for each account."""
        return self.folder / "events"

    @property
    def updates(self) -> Path:
        """The repository of software updates, if one was made; it is the same for all accounts."""
        return self.folder / "updates"

    @property
    def deliveries(self) -> Path:
        """What trails deliver: one folder for each account, and in it one for each bucket."""
        return self.folder / "deliveries"


def read_settings(layout: Layout) -> Settings:
    """Return the settings of a cloud's folder, or raise `ConfigurationError`."""
    if not layout.settings.exists():  # first: nobody is to close another folder to others
        raise ConfigurationError(
            f"{layout.folder} is not a cloud's data folder; run: hedgerow cloud init --data "
            f"{layout.folder}"
        )
    require_private_folder(layout.folder)
    try:
        return msgspec.json.decode(layout.settings.read_bytes(), type=Settings)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{layout.settings}: {error}") from error


def require_private_folder(folder: Path) -> None:
    """Raise `ConfigurationError` if others than the owner can enter the folder."""
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError as error:
        raise ConfigurationError(f"cannot use {folder}: {error.strerror}") from error
    if mode & _OTHERS:
        raise ConfigurationError(
            f"the data folder {folder} is open to others (mode {mode:04o}); run: chmod 700 {folder}"
        )
