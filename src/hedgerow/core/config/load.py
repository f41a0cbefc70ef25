"""Read `config.json`, check it, resolve it."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from hedgerow.core.config.complaints import in_plain_words, look_alikes
from hedgerow.core.config.documents import (
    RANGES,
    SPOOLER_IN_FLIGHT,
    ConfigDocument,
    CoreThingDocument,
    CryptoDocument,
    OptionsDocument,
    Pkcs11Document,
    PrincipalDocument,
    RuntimeDocument,
)
from hedgerow.core.config.key_uri import FileUri, KeyUri, TokenUri, parse_file_uri, parse_key_uri
from hedgerow.core.config.legacy_tls import legacy_tls_option
from hedgerow.core.config.proxy import network_proxy
from hedgerow.core.config.unknown_keys import MisspeltKey, misspelt
from hedgerow.core.config.values import (
    CoreConfig,
    CoreFolders,
    CoreOptions,
    RuntimeSettings,
    Token,
)
from hedgerow.kernel import Arn, CallerError, ConfigurationError, Secret, quoted

_CONFIG_PATHS = ("config/config.json", "configuration/config.json")
"""Where the file lies, newest form first; the second is that of GGC 1.0."""

_OPTIONS = "hedgerow"
_CONFIG_BYTES_LIMIT = 1_048_576
_THING_NAME_BYTES_LIMIT = 124
_CLIENT_ID_LENGTH_LIMIT = 128
_DEFAULT_RETRY_INTERVAL_SECONDS = 60
_LOCAL_SESSIONS_LIMIT_SECONDS = 30 * 86_400


def load_config(root: Path) -> CoreConfig:
    """Return the configuration of the core whose root folder this is.

    Raises `ConfigurationError` that names the file and the field at fault.
    """
    root = root.absolute()
    path = _find(root)
    data = _read(path)
    document = _parsed(path, data)
    try:
        _require_ranges(document)
        return _resolve(root, path, document, _misplaced(msgspec.json.decode(data)))
    except CallerError as error:
        raise ConfigurationError(f"{path}: {error.message}", code=error.reason_code) from error


def misspelt_keys(root: Path) -> tuple[MisspeltKey, ...]:
    """Return the keys of a usable `config.json` that have no effect, and were meant to have one."""
    return misspelt(msgspec.json.decode(_read(_find(root.absolute()))))


def _find(root: Path) -> Path:
    candidates = [root / relative for relative in _CONFIG_PATHS]
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigurationError(
        f"there is no {candidates[0]}; make one with 'hedgerow core provision --root {root}'"
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_CONFIG_BYTES_LIMIT + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > _CONFIG_BYTES_LIMIT:
        raise ConfigurationError(f"Failed to parse {path}: it is over {_CONFIG_BYTES_LIMIT} bytes")
    return data


def _parsed(path: Path, data: bytes) -> ConfigDocument:
    try:
        return msgspec.json.decode(data, type=ConfigDocument)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {in_plain_words(str(error), ConfigDocument)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"Failed to parse {path}: {error}") from error


def _misplaced(file: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that somebody may have taken for the one of the options."""
    thing = file["coreThing"]
    inside = [*look_alikes(thing, _OPTIONS), *(key for key in thing if key == _OPTIONS)]
    return (*look_alikes(file, _OPTIONS), *(f"coreThing.{key}" for key in inside))


def _require_ranges(document: ConfigDocument) -> None:
    plain = msgspec.to_builtins(document)
    for limits in RANGES:
        value = plain
        for key in limits.field.split("."):
            value = value[key]
        if value is not None and not limits.admits(value):
            raise ConfigurationError(f"{limits.field} is {value}; it must be {limits}")


def _resolve(
    root: Path, path: Path, document: ConfigDocument, misplaced: tuple[str, ...]
) -> CoreConfig:
    thing = document.core_thing
    keys = _keys(root, document)
    folders = CoreFolders(root=root, write=Path(document.write_directory or root / "ggc"))
    retry_interval = (
        document.mqtt_max_connection_retry_interval
        or thing.mqtt_max_connection_retry_interval
        or _DEFAULT_RETRY_INTERVAL_SECONDS
    )
    return CoreConfig(
        path=path,
        folders=folders,
        thing_arn=_thing_arn(thing.thing_arn),
        core_client_id=_client_id(thing.core_client_id),
        iot_host=_host(thing.iot_host, "coreThing.iotHost"),
        iot_mqtt_port=thing.iot_mqtt_port,
        iot_http_port=thing.iot_http_port,
        gg_host=_host(thing.gg_host or _gg_host_of(thing.iot_host), "coreThing.ggHost"),
        gg_http_port=thing.gg_http_port,
        gg_mqtt_port=thing.gg_mqtt_port,
        gg_daemon_port=thing.gg_daemon_port,
        keep_alive=timedelta(seconds=thing.keep_alive),
        mqtt_operation_timeout=timedelta(seconds=thing.mqtt_operation_timeout),
        mqtt_max_connection_retry_interval=timedelta(seconds=retry_interval),
        system_component_auth_timeout=timedelta(milliseconds=thing.system_component_auth_timeout),
        shadow_sync_timeout=timedelta(seconds=document.system.shadow_sync_timeout),
        ca_path=keys.ca_path,
        certificate_path=keys.certificate_path,
        key=keys.key,
        server_key=keys.server_key,
        secrets_key=keys.secrets_key,
        token=keys.token,
        proxy=network_proxy(thing.network_proxy),
        runtime=_runtime(document.runtime),
        managed_respawn=document.managed_respawn,
        pid_file_directory=Path(document.pid_file_directory),
        use_overlay_with_tmpfs=document.system.use_overlay_with_tmpfs,
        options=_options(document.hedgerow),
        misplaced_options=misplaced,
    )


def _options(given: Mapping[str, Any]) -> CoreOptions:
    try:
        options = msgspec.convert(given, OptionsDocument)
    except msgspec.ValidationError as error:
        raise ConfigurationError(
            in_plain_words(str(error), OptionsDocument, within="hedgerow.")
        ) from error
    if not 0 <= options.local_sessions <= _LOCAL_SESSIONS_LIMIT_SECONDS:
        raise ConfigurationError(
            f"hedgerow.localSessions is {options.local_sessions}; it must be 0 to "
            f"{_LOCAL_SESSIONS_LIMIT_SECONDS} seconds"
        )
    if not SPOOLER_IN_FLIGHT.admits(options.spooler_in_flight):
        raise ConfigurationError(
            f"hedgerow.spoolerInFlight is {options.spooler_in_flight}; "
            f"it must be {SPOOLER_IN_FLIGHT}"
        )
    known = {field.encode_name for field in msgspec.structs.fields(OptionsDocument)}
    return CoreOptions(
        sync_named_shadows=options.sync_named_shadows,
        spooler_in_flight=options.spooler_in_flight,
        message_ids=options.message_ids,
        local_qos=options.local_qos,
        local_sessions=timedelta(seconds=options.local_sessions),
        local_retained=options.local_retained,
        local_shared_subscriptions=options.local_shared_subscriptions,
        delegated_issuing=options.delegated_issuing,
        session_resumption=options.session_resumption,
        legacy_tls=legacy_tls_option(options.legacy_tls),
        unknown=tuple(sorted(given.keys() - known)),
    )


class _Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Where the core's keys and certificates lie."""

    ca_path: Path
    certificate_path: Path
    key: FileUri | TokenUri
    server_key: FileUri | TokenUri | None
    secrets_key: FileUri | TokenUri
    token: Token | None = None


def _keys(root: Path, document: ConfigDocument) -> _Keys:
    """Follow `crypto` where it is present; otherwise the keys of GGC before 1.7."""
    if document.crypto is not None:
        keys = _keys_of_crypto(document.crypto)
        _require_unmoved(root, keys)
        return keys
    thing: CoreThingDocument = document.core_thing
    if not (thing.ca_path and thing.cert_path and thing.key_path):
        raise ConfigurationError(
            "The configuration file is missing the CaPath, CertPath or KeyPath. "
            "Add a crypto object, or coreThing.caPath, certPath and keyPath"
        )
    certs = root / "certs"
    key = FileUri(certs / thing.key_path)
    return _Keys(
        ca_path=certs / thing.ca_path,
        certificate_path=certs / thing.cert_path,
        key=key,
        server_key=None,
        secrets_key=key,
    )


def _require_unmoved(root: Path, keys: _Keys) -> None:
    """Raise `ConfigurationError` if a file is where the root was, and in its place in this one."""
    uris = (keys.key, keys.server_key, keys.secrets_key)
    files = [uri.path for uri in uris if isinstance(uri, FileUri)]
    for path in (*files, keys.certificate_path, keys.ca_path):
        here = root / "certs" / path.name
        if not os.path.lexists(path) and here.is_file() and path.parent.name == "certs":
            raise ConfigurationError(
                f"crypto names {path}, which is not there, but {here} is: this folder was made "
                f"for {path.parent.parent}. Carry it there, or correct the paths in crypto"
            )


def _keys_of_crypto(crypto: CryptoDocument) -> _Keys:
    where = "crypto.principals"
    iot = crypto.principals.iot_certificate
    server = crypto.principals.mqtt_server_certificate
    secrets = crypto.principals.secrets_manager
    key = parse_key_uri(iot.private_key_path, f"{where}.IoTCertificate.privateKeyPath")
    server_key = _optional_key(server, f"{where}.MQTTServerCertificate.privateKeyPath")
    secrets_key = _optional_key(secrets, f"{where}.SecretsManager.privateKeyPath")
    keys = _Keys(
        ca_path=parse_file_uri(crypto.ca_path, "crypto.caPath"),
        certificate_path=parse_file_uri(
            iot.certificate_path, f"{where}.IoTCertificate.certificatePath"
        ),
        key=key,
        server_key=server_key,
        secrets_key=secrets_key or key,
        token=_token(crypto.pkcs11),
    )
    in_token: list[KeyUri | None] = [keys.key, keys.server_key, keys.secrets_key]
    if keys.token is None and any(isinstance(uri, TokenUri) for uri in in_token):
        raise ConfigurationError(
            "crypto.PKCS11 is missing; a pkcs11: key needs its P11Provider, slotLabel, slotUserPin"
        )
    return keys


def _optional_key(principal: PrincipalDocument | None, field: str) -> KeyUri | None:
    return None if principal is None else parse_key_uri(principal.private_key_path, field)


def _token(document: Pkcs11Document | None) -> Token | None:
    if document is None:
        return None
    return Token(
        provider=Path(document.provider),
        slot_label=document.slot_label,
        user_pin=Secret(document.slot_user_pin),
        openssl_engine=Path(document.openssl_engine) if document.openssl_engine else None,
    )


def _runtime(document: RuntimeDocument) -> RuntimeSettings:
    return RuntimeSettings(
        max_work_item_count=document.max_work_item_count,
        max_concurrent_limit=max(document.max_concurrent_limit, document.lru_size),
        lru_size=document.lru_size,
        post_start_health_check_timeout=timedelta(
            milliseconds=document.post_start_health_check_timeout
        ),
        mount_all_block_devices=document.mount_all_block_devices == "yes",
        allow_functions_to_run_as_root=document.allow_functions_to_run_as_root == "yes",
        cgroup_use_systemd=document.cgroup.use_systemd == "yes",
    )


def _thing_arn(text: str) -> Arn:
    field = "coreThing.thingArn"
    try:
        arn = Arn.parse(text)
    except CallerError as error:
        raise ConfigurationError(f"{field}: {error.message}") from error
    kind, _, name = arn.resource.partition("/")
    if arn.service != "iot" or kind != "thing" or not name:
        raise ConfigurationError(
            f"{field} is {quoted(text)}; the form is arn:aws:iot:<region>:<account>:thing/<name>"
        )
    if len(name.encode()) > _THING_NAME_BYTES_LIMIT:
        raise ConfigurationError(
            f"{field}: the name of a core's thing has at most {_THING_NAME_BYTES_LIMIT} bytes"
        )
    return arn


def _client_id(text: str | None) -> str | None:
    if text is not None and not 1 <= len(text) <= _CLIENT_ID_LENGTH_LIMIT:
        raise ConfigurationError(
            f"coreThing.coreClientId must have 1 to {_CLIENT_ID_LENGTH_LIMIT} characters"
        )
    return text


def _host(text: str, field: str) -> str:
    if not text or any(character in text for character in "/:@ \t\r\n") or not text.isascii():
        raise ConfigurationError(
            f"{field} is {quoted(text)}; give a host name, without scheme and port"
        )
    return text


def _gg_host_of(iot_host: str) -> str:
    """Return `iotHost` with its prefix replaced by `greengrass`, as documented.

    A host without AWS's shape (`localhost`, a name of one's own) serves both.
    """
    prefix, marker, rest = iot_host.partition(".iot.")
    if not marker:
        return iot_host
    return ("greengrass-ats" if prefix.endswith("-ats") else "greengrass") + marker + rest
