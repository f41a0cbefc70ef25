"""A TUF repository on disk, with consistent snapshots.

    <repository>/
        metadata/1.root.json …      signed by the offline root keys
        metadata/N.targets.json     signed by the offline targets key: packages and their digests
        metadata/N.snapshot.json    signed by the online key: which targets belong together
        metadata/timestamp.json     signed by the online key: the newest snapshot, for a few days
        targets/core/1.2.3/<sha256>.ubuntu-x86_64.tar.gz
        online.key

Source: The Update Framework specification 1.0. Files go to disk in the order in which clients need
them, `timestamp.json` last: a client sees the state before or the state after.
"""

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from securesystemslib.exceptions import StorageError
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    Key,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from hedgerow.cloud.updates.package_file import read_facts
from hedgerow.cloud.updates.signing_keys import (
    NEXT_ONLINE_KEY,
    ONLINE_KEY,
    ROOT_KEY,
    TARGETS_KEY,
    Passphrase,
    load_key,
    new_key,
    root_keys,
)
from hedgerow.contract.updates import PackageFacts, target_path
from hedgerow.kernel import CallerError, Clock, ConfigurationError, quoted
from hedgerow.pki import write_public

ROOT_LIFE: Final = timedelta(days=2 * 365)
TARGETS_LIFE: Final = timedelta(days=365)
SNAPSHOT_LIFE: Final = timedelta(days=30)
TIMESTAMP_LIFE: Final = timedelta(days=7)
_ROOT_KEYS_LIMIT: Final = 9
_T = TypeVar("_T", Root, Timestamp, Snapshot, Targets)


class UpdateRepository:
    """One repository. Blocking: call it from a thread or a command."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._metadata = folder / "metadata"
        self._targets = folder / "targets"
        self._clock = clock

    @property
    def is_there(self) -> bool:
        """Tell whether the folder holds a repository."""
        return (self._metadata / "timestamp.json").exists()

    @property
    def first_root(self) -> Path:
        """The root metadata to pin on cores."""
        return self._metadata / "1.root.json"

    def create(
        self,
        offline: Path,
        *,
        root_key_count: int = 1,
        threshold: int = 1,
        passphrase: Passphrase = None,
    ) -> Path:
        """Make keys and an empty repository, and return its first root metadata.

        `offline` is where the root and targets keys go, a folder to take away. `threshold` is how
        many of the root keys have to agree on the next root.
        """
        if not 1 <= threshold <= root_key_count <= _ROOT_KEYS_LIMIT:
            raise CallerError(f"of 1 to {_ROOT_KEYS_LIMIT} root keys, 1 to all can be required")
        if self._metadata.exists():
            raise ConfigurationError(f"{self._folder} holds a repository already")
        roots = [
            new_key(offline / ROOT_KEY.format(number=number), passphrase)
            for number in range(1, root_key_count + 1)
        ]
        targets = new_key(offline / TARGETS_KEY, passphrase)
        online = new_key(self._folder / ONLINE_KEY)
        root = Root(expires=self._until(ROOT_LIFE))
        for signer in roots:
            root.add_key(signer.public_key, Root.type)
        root.roles[Root.type].threshold = threshold
        _give_roles(root, targets.public_key, online.public_key)
        self._write_numbered(Metadata(root), roots)
        self._write_numbered(Metadata(Targets(expires=self._until(TARGETS_LIFE))), [targets])
        self._write_newest(Snapshot(), Timestamp(), online)
        return self.first_root

    def publish(self, package: Path, offline: Path, passphrase: Passphrase = None) -> PackageFacts:
        """Add a package, signed by the offline targets key, and make that the newest state.

        A version that is published already for the same machines is refused: cores that have it
        would not fetch another file under its name.
        """
        self._require_there()
        facts = read_facts(package)
        path = target_path(facts)
        targets = self._newest_targets()
        if path in targets.signed.targets:
            raise CallerError(
                f"{quoted(path)} is published already; give the package a new version"
            )
        self._add(targets.signed, path, package, facts)
        self._state(targets.signed, load_key(offline / TARGETS_KEY, passphrase))
        return facts

    def withdraw(self, path: str, offline: Path, passphrase: Passphrase = None) -> None:
        """Take a package out of the newest state; cores refuse jobs for it from then on."""
        self._require_there()
        targets = self._newest_targets()
        if path not in targets.signed.targets:
            raise CallerError(f"there is no package {quoted(path)} in the repository")
        del targets.signed.targets[path]
        self._state(targets.signed, load_key(offline / TARGETS_KEY, passphrase))

    def rotate(self, offline: Path, new_offline: Path, passphrase: Passphrase = None) -> int:
        """Replace the targets and online keys, and every root key; return the new root's version.

        Signed by the old root keys and the new ones, so that cores follow from the root they have.
        """
        self._require_there()
        old, before = root_keys(offline, passphrase), self._newest_root()
        root = before.signed
        threshold = root.roles[Root.type].threshold
        new = [
            new_key(new_offline / ROOT_KEY.format(number=number), passphrase)
            for number in range(1, len(root.roles[Root.type].keyids) + 1)
        ]
        targets = new_key(new_offline / TARGETS_KEY, passphrase)
        for role in root.roles:
            for keyid in tuple(root.roles[role].keyids):
                root.revoke_key(keyid, role)
        (self._folder / NEXT_ONLINE_KEY).unlink(missing_ok=True)
        online = new_key(self._folder / NEXT_ONLINE_KEY)
        for signer in new:
            root.add_key(signer.public_key, Root.type)
        root.roles[Root.type].threshold = threshold
        _give_roles(root, targets.public_key, online.public_key)
        root.version += 1
        root.expires = self._until(ROOT_LIFE)
        self._write_numbered(Metadata(root), [*old, *new])
        self._state(self._newest_targets().signed, targets)
        (self._folder / NEXT_ONLINE_KEY).replace(self._folder / ONLINE_KEY)
        return root.version

    def refresh(self) -> bool:
        """Sign snapshot and timestamp anew if half their life is over; tell whether it did.

        It needs the online key only, and changes nothing of what is published.
        """
        self._require_there()
        timestamp, snapshot = self._newest_timestamp().signed, self._newest_snapshot().signed
        now = self._clock.now()
        renews_snapshot = snapshot.expires - now < SNAPSHOT_LIFE / 2
        if not renews_snapshot and timestamp.expires - now >= TIMESTAMP_LIFE / 2:
            return False
        online = self._online_key()
        if renews_snapshot:
            snapshot.version += 1
            self._write_newest(snapshot, timestamp, online)
        else:
            self._write_timestamp(timestamp, online)
        return True

    def packages(self) -> list[PackageFacts]:
        """Return what is published."""
        return [facts_of(target) for target in self._newest_targets().signed.targets.values()]

    def _add(self, targets: Targets, path: str, package: Path, facts: PackageFacts) -> None:
        target = TargetFile.from_file(path, str(package), ["sha256"])
        target.unrecognized_fields["custom"] = msgspec.to_builtins(facts)
        targets.targets[path] = target
        folder, _, name = path.rpartition("/")
        place = self._targets / folder / f"{target.hashes['sha256']}.{name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        pending = place.with_name(f".{place.name}")
        shutil.copyfile(package, pending)
        with pending.open("rb") as file:
            target.verify_length_and_hashes(file)
        pending.chmod(0o644)
        pending.replace(place)

    def _state(self, targets: Targets, signer: CryptoSigner) -> None:
        """Make these targets part of the newest state."""
        online = self._online_key()
        timestamp, snapshot = self._newest_timestamp().signed, self._newest_snapshot().signed
        targets.version += 1
        targets.expires = self._until(TARGETS_LIFE)
        signed = Metadata(targets)
        self._require_role(signed, signer)
        self._write_numbered(signed, [signer])
        snapshot.meta["targets.json"] = MetaFile(targets.version)
        snapshot.version += 1
        self._write_newest(snapshot, timestamp, online)

    def _online_key(self) -> CryptoSigner:
        """Return the online key that the newest root names; there are two if rotating was cut."""
        trusted = self._newest_root().signed.roles[Timestamp.type].keyids
        for name in (ONLINE_KEY, NEXT_ONLINE_KEY):
            if (self._folder / name).exists():
                signer = load_key(self._folder / name)
                if signer.public_key.keyid in trusted:
                    return signer
        raise ConfigurationError(
            f"{self._folder / ONLINE_KEY} is not the online key of the newest root"
        )

    def _require_role(self, metadata: Metadata[Targets], signer: CryptoSigner) -> None:
        metadata.sign(signer)
        try:
            self._newest_root().signed.verify_delegate(
                Targets.type, metadata.signed_bytes, metadata.signatures
            )
        except RepositoryError as error:
            raise ConfigurationError(
                f"{TARGETS_KEY} is not the targets key of the newest root of this repository"
            ) from error

    def _write_newest(self, snapshot: Snapshot, before: Timestamp, online: CryptoSigner) -> None:
        snapshot.expires = self._until(SNAPSHOT_LIFE)
        self._write_numbered(Metadata(snapshot), [online])
        before.snapshot_meta = MetaFile(snapshot.version)
        self._write_timestamp(before, online)

    def _write_timestamp(self, timestamp: Timestamp, online: CryptoSigner) -> None:
        timestamp.version += self.is_there
        timestamp.expires = self._until(TIMESTAMP_LIFE)
        metadata = Metadata(timestamp)
        metadata.sign(online)
        write_public(self._metadata / "timestamp.json", metadata.to_bytes())

    def _write_numbered(self, metadata: Metadata[_T], signers: list[CryptoSigner]) -> None:
        metadata.signatures.clear()
        for signer in signers:
            metadata.sign(signer, append=True)
        name = f"{metadata.signed.version}.{metadata.signed.type}.json"
        write_public(self._metadata / name, metadata.to_bytes())

    def _newest_root(self) -> Metadata[Root]:
        names = (path.name.partition(".")[0] for path in self._metadata.glob("*.root.json"))
        newest = max((int(name) for name in names if name.isdecimal()), default=1)
        return self._read(f"{newest}.root.json")

    def _newest_timestamp(self) -> Metadata[Timestamp]:
        return self._read("timestamp.json")

    def _newest_snapshot(self) -> Metadata[Snapshot]:
        version = self._newest_timestamp().signed.snapshot_meta.version
        return self._read(f"{version}.snapshot.json")

    def _newest_targets(self) -> Metadata[Targets]:
        version = self._newest_snapshot().signed.meta["targets.json"].version
        return self._read(f"{version}.targets.json")

    def _read(self, name: str) -> Metadata[Any]:
        try:
            return Metadata.from_file(str(self._metadata / name))
        except (RepositoryError, StorageError, OSError) as error:
            raise ConfigurationError(f"cannot read {self._metadata / name}: {error}") from error

    def _require_there(self) -> None:
        if not self.is_there:
            raise ConfigurationError(
                f"{self._folder} holds no repository of updates; run: hedgerow updates init "
                f"--repository {self._folder} --keys FOLDER"
            )

    def _until(self, life: timedelta) -> datetime:
        return (self._clock.now() + life).replace(microsecond=0)


def facts_of(target: TargetFile) -> PackageFacts:
    """Return what the signed metadata says a package is; `ConfigurationError` if it does not."""
    try:
        return msgspec.convert(target.custom or {}, PackageFacts)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            f"{quoted(target.path)} in the repository is not described: {error}; withdraw it"
        ) from error


def _give_roles(root: Root, targets: Key, online: Key) -> None:
    root.add_key(targets, Targets.type)
    root.add_key(online, Snapshot.type)
    root.add_key(online, Timestamp.type)
