import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hedgerow.core.config import FileUri, TokenUri, load_config
from hedgerow.kernel import ConfigurationError

DOCUMENTED_1_11: dict[str, Any] = {
    "coreThing": {
        "caPath": "root.ca.pem",
        "certPath": "86c84488a5.cert.pem",
        "keyPath": "86c84488a5.private.key",
        "thingArn": "arn:aws:iot:us-west-2:123456789012:thing/MyGroup_Core",
        "iotHost": "a1b2c3-ats.iot.us-west-2.amazonaws.com",
        "ggHost": "greengrass-ats.iot.us-west-2.amazonaws.com",
        "keepAlive": 600,
        "ggDaemonPort": 8000,
        "systemComponentAuthTimeout": 5000,
    },
    "runtime": {
        "maxWorkItemCount": 1024,
        "maxConcurrentLimit": 25,
        "lruSize": 25,
        "mountAllBlockDevices": "no",
        "cgroup": {"useSystemd": "yes"},
    },
    "managedRespawn": False,
    "crypto": {
        "principals": {
            "SecretsManager": {"privateKeyPath": "file:///greengrass/certs/86c84488a5.private.key"},
            "IoTCertificate": {
                "privateKeyPath": "file:///greengrass/certs/86c84488a5.private.key",
                "certificatePath": "file:///greengrass/certs/86c84488a5.cert.pem",
            },
        },
        "caPath": "file:///greengrass/certs/root.ca.pem",
    },
    "pidFileDirectory": "/var/run",
}


def write(root: Path, document: object, name: str = "config/config.json") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the documented file with one value set; `path` has dots between keys."""
    document: dict[str, Any] = json.loads(json.dumps(DOCUMENTED_1_11))
    *parents, key = path.split(".")
    place = document
    for parent in parents:
        place = place.setdefault(parent, {})
    place[key] = value
    return document


@pytest.mark.spec("I01", "A06")
def test_the_documented_file_is_read_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, DOCUMENTED_1_11)
    config = load_config(tmp_path)
    assert config.thing_name == "MyGroup_Core"
    assert config.iot_host == "a1b2c3-ats.iot.us-west-2.amazonaws.com"
    assert config.ca_path == Path("/greengrass/certs/root.ca.pem")
    assert config.certificate_path == Path("/greengrass/certs/86c84488a5.cert.pem")
    assert config.key == FileUri(Path("/greengrass/certs/86c84488a5.private.key"))
    assert config.server_key is None
    assert config.folders.deployment == tmp_path / "ggc/deployment"
    assert config.folders.server == tmp_path / "ggc/var/state/server"


@pytest.mark.spec("I04", "I05", "I06", "I07")
def test_what_is_left_out_has_the_documented_value(tmp_path: Path) -> None:
    thing = {key: DOCUMENTED_1_11["coreThing"][key] for key in ("thingArn", "iotHost", "ggHost")}
    write(tmp_path, {"coreThing": thing, "crypto": DOCUMENTED_1_11["crypto"]})
    config = load_config(tmp_path)
    ports = (config.iot_mqtt_port, config.iot_http_port, config.gg_http_port)
    assert ports == (8883, 8443, 8443)
    assert (config.gg_mqtt_port, config.gg_daemon_port) == (8883, 8000)
    assert config.keep_alive == timedelta(seconds=600)
    assert config.mqtt_operation_timeout == timedelta(seconds=5)
    assert config.system_component_auth_timeout == timedelta(milliseconds=5000)
    assert config.mqtt_max_connection_retry_interval == timedelta(seconds=60)


@pytest.mark.spec("I08", "I09")
def test_runtime_and_system_settings_have_the_documented_values(tmp_path: Path) -> None:
    write(tmp_path, {key: DOCUMENTED_1_11[key] for key in ("coreThing", "crypto")})
    config = load_config(tmp_path)
    assert config.runtime.max_work_item_count == 1024
    assert (config.runtime.max_concurrent_limit, config.runtime.lru_size) == (25, 25)
    assert config.runtime.post_start_health_check_timeout == timedelta(milliseconds=30_000)
    assert config.runtime.cgroup_use_systemd
    assert not config.runtime.mount_all_block_devices
    assert not config.runtime.allow_functions_to_run_as_root
    assert config.shadow_sync_timeout == timedelta(seconds=5)
    assert config.pid_file_directory == Path("/var/run")
    assert not config.managed_respawn
    assert not config.use_overlay_with_tmpfs


@pytest.mark.spec("I08")
def test_the_lru_size_is_the_floor_of_the_concurrent_limit(tmp_path: Path) -> None:
    write(tmp_path, changed("runtime.lruSize", 40))
    assert load_config(tmp_path).runtime.max_concurrent_limit == 40


@pytest.mark.spec("I02", "I23")
def test_without_crypto_the_older_paths_are_relative_to_certs(tmp_path: Path) -> None:
    write(tmp_path, {"coreThing": DOCUMENTED_1_11["coreThing"]})
    config = load_config(tmp_path)
    assert config.ca_path == tmp_path / "certs/root.ca.pem"
    assert config.certificate_path == tmp_path / "certs/86c84488a5.cert.pem"
    assert config.key == FileUri(tmp_path / "certs/86c84488a5.private.key")


@pytest.mark.spec("I02")
def test_with_crypto_the_older_paths_are_ignored(tmp_path: Path) -> None:
    write(tmp_path, changed("coreThing.keyPath", "another.key"))
    assert load_config(tmp_path).key == FileUri(Path("/greengrass/certs/86c84488a5.private.key"))


@pytest.mark.spec("I23")
def test_the_folder_name_of_the_first_release_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"coreThing": DOCUMENTED_1_11["coreThing"]}, "configuration/config.json")
    assert load_config(tmp_path).thing_name == "MyGroup_Core"


@pytest.mark.spec("X05")
def test_missing_key_paths_are_said_in_the_documented_words(tmp_path: Path) -> None:
    thing = {key: DOCUMENTED_1_11["coreThing"][key] for key in ("thingArn", "iotHost", "ggHost")}
    write(tmp_path, {"coreThing": thing})
    expected = "The configuration file is missing the CaPath, CertPath or KeyPath"
    with pytest.raises(ConfigurationError, match=expected):
        load_config(tmp_path)


@pytest.mark.spec("I01")
@pytest.mark.parametrize("text", ["{", "", "not json", '{"a": 1,'])
def test_broken_json_stops_the_core_in_the_documented_words(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path)
    assert str(caught.value).startswith(f"Failed to parse {path}")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no .*/config/config\.json"):
        load_config(tmp_path)


def test_unknown_keys_are_tolerated(tmp_path: Path) -> None:
    write(tmp_path, changed("coreThing.somethingNew", {"a": 1}))
    assert load_config(tmp_path).thing_name == "MyGroup_Core"


@pytest.mark.parametrize(
    ("field", "too_low", "too_high"),
    [
        pytest.param("coreThing.ggMqttPort", 1023, 65536, marks=pytest.mark.spec("I05")),
        pytest.param("coreThing.ggDaemonPort", 1023, 65536, marks=pytest.mark.spec("I07")),
        pytest.param("coreThing.keepAlive", 29, 1201, marks=pytest.mark.spec("I06")),
        pytest.param("coreThing.mqttOperationTimeout", 4, None, marks=pytest.mark.spec("I06")),
        pytest.param(
            "coreThing.systemComponentAuthTimeout", 499, 5001, marks=pytest.mark.spec("I07")
        ),
        pytest.param("coreThing.iotMqttPort", 0, 65536, marks=pytest.mark.spec("I04")),
        pytest.param("coreThing.iotHttpPort", 0, 65536, marks=pytest.mark.spec("I04")),
        pytest.param("coreThing.ggHttpPort", 0, 65536, marks=pytest.mark.spec("I04")),
        pytest.param("mqttMaxConnectionRetryInterval", 0, None),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(
    tmp_path: Path, field: str, too_low: int, too_high: int | None
) -> None:
    for value in (too_low, too_high):
        if value is None:
            continue
        write(tmp_path, changed(field, value))
        with pytest.raises(ConfigurationError) as caught:
            load_config(tmp_path)
        assert f"{field} is {value}; it must be" in str(caught.value)
        assert "config.json" in str(caught.value)


@pytest.mark.spec("I04")
@pytest.mark.parametrize("port", [443, 8443, 8883, 21000])
def test_the_cloud_may_listen_on_any_port(tmp_path: Path, port: int) -> None:
    for field in ("iotMqttPort", "iotHttpPort", "ggHttpPort"):
        write(tmp_path, changed(f"coreThing.{field}", port))
        config = load_config(tmp_path)
        assert port in {config.iot_mqtt_port, config.iot_http_port, config.gg_http_port}


def test_a_value_of_a_wrong_type_is_named_as_json_names_types(tmp_path: Path) -> None:
    write(tmp_path, changed("coreThing.keepAlive", "600"))
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path)
    assert "coreThing.keepAlive: Expected a whole number, got a string" in str(caught.value)


@pytest.mark.parametrize(
    ("arn", "complaint"),
    [
        ("MyGroup_Core", "is not an ARN"),
        ("arn:aws:iot:us-west-2:123456789012:cert/x", "the form is"),
        pytest.param(
            "arn:aws:iot:us-west-2:123456789012:thing/" + "x" * 125,
            "at most 124 bytes",
            marks=pytest.mark.spec("G06"),
        ),
    ],
)
def test_a_wrong_thing_arn_is_refused(tmp_path: Path, arn: str, complaint: str) -> None:
    write(tmp_path, changed("coreThing.thingArn", arn))
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        load_config(tmp_path)
    assert "coreThing.thingArn" in str(caught.value)


@pytest.mark.spec("H16", "G12")
def test_the_core_client_id_can_be_overridden_within_128_characters(tmp_path: Path) -> None:
    write(tmp_path, changed("coreThing.coreClientId", "my-client"))
    assert load_config(tmp_path).core_client_id == "my-client"
    write(tmp_path, changed("coreThing.coreClientId", "x" * 129))
    with pytest.raises(ConfigurationError, match=r"coreThing\.coreClientId"):
        load_config(tmp_path)


@pytest.mark.spec("I03")
@pytest.mark.parametrize(
    ("iot_host", "gg_host"),
    [
        ("a1-ats.iot.eu-west-1.amazonaws.com", "greengrass-ats.iot.eu-west-1.amazonaws.com"),
        ("a1.iot.eu-west-1.amazonaws.com", "greengrass.iot.eu-west-1.amazonaws.com"),
        ("localhost", "localhost"),
    ],
)
def test_the_greengrass_host_follows_from_the_iot_host(
    tmp_path: Path, iot_host: str, gg_host: str
) -> None:
    document = changed("coreThing.iotHost", iot_host)
    del document["coreThing"]["ggHost"]
    write(tmp_path, document)
    assert load_config(tmp_path).gg_host == gg_host


def test_a_url_is_not_a_host(tmp_path: Path) -> None:
    write(tmp_path, changed("coreThing.iotHost", "https://example.org"))
    with pytest.raises(ConfigurationError, match=r"coreThing\.iotHost .* without scheme"):
        load_config(tmp_path)


def test_three_principals_may_each_have_their_own_key_in_a_token(tmp_path: Path) -> None:
    document = changed(
        "crypto.PKCS11",
        {
            "P11Provider": "/usr/lib/softhsm/libsofthsm2.so",
            "slotLabel": "greengrass",
            "slotUserPin": "p1n-of-token",
            "OpenSSLEngine": "/usr/lib/engines/pkcs11.so",
        },
    )
    principals = document["crypto"]["principals"]
    principals["IoTCertificate"]["privateKeyPath"] = "pkcs11:object=iot;type=private"
    principals["MQTTServerCertificate"] = {"privateKeyPath": "pkcs11:object=server;type=private"}
    principals["SecretsManager"]["privateKeyPath"] = "pkcs11:object=secrets%20key"
    write(tmp_path, document)
    config = load_config(tmp_path)
    assert (config.key, config.server_key) == (TokenUri("iot"), TokenUri("server"))
    assert config.secrets_key == TokenUri("secrets key")
    assert config.token is not None
    assert config.token.slot_label == "greengrass"
    assert "p1n-of-token" not in repr(config)


def test_a_token_key_without_a_token_is_refused(tmp_path: Path) -> None:
    document = changed(
        "crypto.principals.SecretsManager.privateKeyPath", "pkcs11:object=a;type=private"
    )
    write(tmp_path, document)
    with pytest.raises(ConfigurationError, match=r"crypto\.PKCS11 is missing"):
        load_config(tmp_path)


@pytest.mark.parametrize("uri", ["https://x/key", "/greengrass/certs/key", "env:KEY"])
def test_another_scheme_of_a_key_stops_the_core(tmp_path: Path, uri: str) -> None:
    field = "crypto.principals.IoTCertificate.privateKeyPath"
    write(tmp_path, changed(field, uri))
    with pytest.raises(ConfigurationError, match="ErrUnknownURIScheme") as caught:
        load_config(tmp_path)
    assert field in str(caught.value)
    assert caught.value.reason_code == "ErrUnknownURIScheme"


@pytest.mark.parametrize(
    "uri", ["file://host/key", "file:key", "pkcs11:type=private", "pkcs11:object=a;type=public"]
)
def test_a_half_key_location_is_refused_by_field(tmp_path: Path, uri: str) -> None:
    field = "crypto.principals.IoTCertificate.privateKeyPath"
    write(tmp_path, changed(field, uri))
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path)
    assert field in str(caught.value)


def test_a_root_that_was_moved_is_said_to_be_one(tmp_path: Path) -> None:
    write(tmp_path, DOCUMENTED_1_11)
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs/86c84488a5.private.key").touch()
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path)
    assert "this folder was made for /greengrass. Carry it there, or correct" in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("localQos", 3, "hedgerow.localQos is 3; it must be 0, 1 or 2"),
        (
            "legacyTls",
            {"until": "2027-06-30", "suites": ["AES128-SHA"]},
            "is 'AES128-SHA'; it must be TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, ",
        ),
        (
            "legacyTls",
            {"until": "30.06.2027", "suites": []},
            "hedgerow.legacyTls.until is not a day; write it as 2027-06-30",
        ),
        ("messageIds", "yes", "hedgerow.messageIds: Expected true or false, got a string"),
    ],
)
def test_what_is_not_allowed_is_refused_with_what_is(
    tmp_path: Path, option: str, value: object, said: str
) -> None:
    write(tmp_path, changed(f"hedgerow.{option}", value))
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path)
    assert said in str(caught.value)


def test_yes_and_no_are_named_where_they_are_wanted(tmp_path: Path) -> None:
    write(tmp_path, changed("runtime.cgroup.useSystemd", "true"))
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path)
    assert "runtime.cgroup.useSystemd is 'true'; it must be no or yes" in str(caught.value)


@pytest.mark.parametrize(
    "key",
    ["Hedgerow", "hedgrow", "hedgerows", "hegderow", "coreThing.hedgerow", "coreThing.Hedgrow"],
)
def test_options_under_a_wrong_key_are_noticed(tmp_path: Path, key: str) -> None:
    write(tmp_path, changed(key, {"localQos": 1}))
    assert load_config(tmp_path).misplaced_options == (key,)
    write(tmp_path, changed("hedgerow", {"localQos": 1}))
    assert load_config(tmp_path).misplaced_options == ()


def test_the_proxy_is_read_and_its_password_never_shown(tmp_path: Path) -> None:
    write(
        tmp_path,
        changed(
            "coreThing.networkProxy",
            {
                "noProxyAddresses": "128.12.34.56, www.example.org",
                "proxy": {"url": "https://proxy:1100", "username": "Mary", "password": "pass@1"},
            },
        ),
    )
    proxy = load_config(tmp_path).proxy
    assert proxy is not None
    assert proxy.exempt == ("128.12.34.56", "www.example.org")
    assert "pass@1" not in repr(proxy)


@pytest.mark.spec("I14")
def test_a_write_directory_moves_every_write_out_of_the_root(tmp_path: Path) -> None:
    write(tmp_path, changed("writeDirectory", "/var/lib/gg"))
    folders = load_config(tmp_path).folders
    for path in (folders.deployment, folders.state, folders.server, folders.spool,
                 folders.system_log, folders.endpoints):  # fmt: skip
        assert path.is_relative_to("/var/lib/gg")
