"""What provisioning writes is what the core reads."""

import stat
from pathlib import Path

import pytest

from hedgerow.cli.provision.api import DeviceEndpoint
from hedgerow.cli.provision.config_file import config_bytes, config_document, config_path
from hedgerow.cli.provision.identity import Identity
from hedgerow.core.config import FileUri, load_config
from hedgerow.pki import write_public


def identity(folder: Path) -> Identity:
    return Identity(
        thing_name="line 7",
        thing_arn="arn:aws:iot:us-east-1:123456789012:thing/line 7",
        certificate_arn="arn:aws:iot:us-east-1:123456789012:cert/ab",
        certificate_id="86c84488a5" + "0" * 54,
        certificate_path=folder / "86c84488a5.cert.pem",
        key_path=folder / "86c84488a5.private.key",
        root_ca_path=folder / "root.ca.pem",
    )


@pytest.mark.spec("A13")
def test_the_core_reads_the_configuration_that_provisioning_writes(tmp_path: Path) -> None:
    root = tmp_path / "a root with spaces"
    core = identity(root / "certs")
    endpoint = DeviceEndpoint("cloud.example", 18443, 18883, "")
    document = config_document(core, endpoint, mqtt_port=0, daemon_port=8001)
    write_public(config_path(root), config_bytes(document))
    config = load_config(root)
    assert config.thing_name == "line 7"
    assert config.key == FileUri(core.key_path)
    assert config.secrets_key == FileUri(core.key_path)
    assert (config.certificate_path, config.ca_path) == (core.certificate_path, core.root_ca_path)
    assert (config.iot_host, config.iot_mqtt_port, config.iot_http_port) == (
        "cloud.example",
        18883,
        18443,
    )
    assert (config.gg_host, config.gg_http_port) == ("cloud.example", 18443)
    assert (config.gg_mqtt_port, config.gg_daemon_port) == (0, 8001)
    assert stat.S_IMODE(config_path(root).stat().st_mode) == 0o644
