"""`hedgerow doctor` tells what is wrong with a host or a root folder, and what to do."""

import http.server
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support.pki import (
    Identity,
    expired,
    new_authority,
    new_identity,
    new_key,
    new_server,
    shared_authority,
)

from hedgerow.cli import main
from hedgerow.cli.doctor.core_root import core_findings
from hedgerow.cli.doctor.finding import Finding
from hedgerow.cli.doctor.host import host_findings
from hedgerow.kernel import SystemClock
from hedgerow.pki import Trust, server_certificate, server_context


def test_every_finding_about_the_host_has_advice() -> None:
    findings = list(host_findings())
    assert {"Python", "OpenSSL", "link protection"} <= {finding.subject for finding in findings}
    assert all(finding.advice or finding.ok for finding in findings)


def test_json_lists_the_findings(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["doctor", "--root", str(tmp_path), "--json"])
    assert said.exit_code == 1
    config = [entry for entry in json.loads(said.output) if entry["subject"] == "config.json"]
    assert not config[0]["ok"]
    assert "hedgerow core provision" in config[0]["advice"]


def make_root(root: Path, core: Identity, port: int) -> Path:
    certs = root / "certs"
    certificate, key = core.write(certs, "core")
    (certs / "root.ca.pem").write_text(shared_authority().certificate_pem)
    config = {
        "coreThing": {
            "caPath": "root.ca.pem",
            "certPath": certificate.name,
            "keyPath": key.name,
            "thingArn": "arn:aws:iot:us-east-1:123456789012:thing/core",
            "iotHost": "127.0.0.1",
            "ggHost": "127.0.0.1",
            "ggHttpPort": port,
            "iotMqttPort": port,
            "ggMqttPort": 0,
        }
    }
    (root / "config").mkdir()
    (root / "config" / "config.json").write_text(json.dumps(config))
    return root


def change_config(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = root / "config" / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def findings_of(root: Path) -> dict[str, Finding]:
    return {finding.subject: finding for finding in core_findings(root, SystemClock())}


@contextmanager
def cloud_with_clock_off_by(off: timedelta, trusted: Identity) -> Iterator[int]:
    """Serve HTTPS with client certificates, whose `Date` is off by so much."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(404)
            date = format_datetime(SystemClock().now() + off, usegmt=True)
            self.send_header("Date", date)
            self.send_header("Content-Length", "0")
            self.end_headers()

    identity = new_server(shared_authority(), "127.0.0.1")
    context: ssl.SSLContext = server_context(
        identity.key, identity.certificate_pem, Trust((trusted.certificate_pem,))
    )
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.spec("B10")
@pytest.mark.parametrize(("minutes", "fine"), [(0, True), (14, True), (16, False), (-16, False)])
def test_a_clock_that_is_off_is_named(tmp_path: Path, minutes: int, fine: bool) -> None:  # noqa: FBT001
    core = new_identity(shared_authority())
    with cloud_with_clock_off_by(timedelta(minutes=minutes), core) as port:
        findings = findings_of(make_root(tmp_path, core, port))
    assert findings["cloud"].ok
    assert findings["clock"].ok is fine
    assert "set this machine's clock" in findings["clock"].advice


def test_a_sound_core_without_its_cloud(tmp_path: Path) -> None:
    findings = findings_of(make_root(tmp_path, new_identity(shared_authority()), 9))
    assert findings["config.json"].ok
    assert findings["core certificate"].ok
    assert findings["core key"].ok
    assert not findings["cloud"].ok
    assert "127.0.0.1:9" in findings["cloud"].advice


def test_an_expired_certificate_and_a_loose_key_are_named(tmp_path: Path) -> None:
    root = make_root(tmp_path, expired(), 9)
    (root / "certs" / "core.private.key").chmod(0o644)
    findings = findings_of(root)
    assert not findings["core certificate"].ok
    assert not findings["core key"].ok
    assert "chmod 600" in findings["core key"].advice


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path, new_identity(shared_authority()), 9)
    (root / "certs" / "core.private.key").unlink()
    (root / "certs" / "core.cert.pem").unlink()
    findings = findings_of(root)
    assert not findings["core certificate"].ok
    assert not findings["core key"].ok


@pytest.mark.parametrize(
    ("names", "shift", "words"),
    [
        (("10.0.0.5", "localhost"), timedelta(0), ""),
        (("localhost", "127.0.0.1"), timedelta(0), "update-connectivity-info"),
        (("10.0.0.5",), timedelta(days=-60), "as soon as it reaches the cloud"),
    ],
)
def test_the_certificate_of_the_local_server_tells_whom_it_proves(
    tmp_path: Path, names: tuple[str, ...], shift: timedelta, words: str
) -> None:
    root = make_root(tmp_path, new_identity(shared_authority()), 1)
    folder = root / "ggc/var/state/server"
    folder.mkdir(parents=True)
    authority = new_authority("group", shift - timedelta(hours=1))
    pem = authority.issue(server_certificate(names), new_key().public_key)
    (folder / "server.crt").write_text(pem)
    finding = findings_of(root)["server certificate"]
    assert finding.ok is not bool(words)
    assert names[0] in finding.found
    assert words in finding.advice


def test_the_place_for_messages_is_looked_at_too(tmp_path: Path) -> None:
    core = new_identity(shared_authority())
    with cloud_with_clock_off_by(timedelta(0), core) as port:
        root = make_root(tmp_path, core, port)
        assert findings_of(root)["cloud for messages"].ok
        change_config(root, lambda config: config["coreThing"].update(iotHost="localhost"))
        other_name = findings_of(root)
        change_config(root, lambda config: config["coreThing"].update(iotHost="nosuch.invalid"))
        no_name = findings_of(root)
    assert other_name["cloud"].ok
    assert other_name["cloud for messages"].found == f"localhost:{port} is not to be trusted"
    assert no_name["cloud"].ok
    assert no_name["cloud for messages"].found == "the name nosuch.invalid is not known"
    assert "coreThing.iotHost" in no_name["cloud for messages"].advice


def test_keys_that_were_probably_meant_otherwise_are_named(tmp_path: Path) -> None:
    root = make_root(tmp_path, new_identity(shared_authority()), 9)

    def misspell(config: dict[str, Any]) -> None:
        config["hedgerow"] = {"localQoS": 1, "nix": True, "messageIds": True}
        config["hedgrow"] = {}
        config["coreThing"] |= {"hedgerow": {}, "ggMqtPort": 8884, "somebodys": "own"}

    change_config(root, misspell)
    found = {name: one for name, one in findings_of(root).items() if name.startswith("key ")}
    assert {
        name.removeprefix("key "): one.advice.partition(" in ")[0] for name, one in found.items()
    } == {
        "hedgerow.localQoS": "write hedgerow.localQos",
        "hedgerow.nix": "take it out of config.json; docs/options.md has the options of hedgerow",
        "hedgrow": "write hedgerow",
        "coreThing.hedgerow": "write hedgerow, at the top,",
        "coreThing.ggMqtPort": "write coreThing.ggMqttPort",
    }


def test_a_port_for_devices_that_another_program_has_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path, new_identity(shared_authority()), 9)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        change_config(root, lambda config: config["coreThing"].update(ggMqttPort=port))
        taken = findings_of(root)["port for devices"]
        state = root / "ggc" / "var" / "state"
        state.mkdir(parents=True)
        served = {"ggMqttPort": port, "ggDaemonPort": 8000, "pid": os.getpid()}
        (state / "endpoints.json").write_text(json.dumps(served))
        own = findings_of(root)["port for devices"]
    assert not taken.ok
    assert taken.found == f"{port} is taken by another program"
    assert own.ok
    assert own.found == f"the core serves on {port}"


def test_old_tls_that_has_ended_is_said_to_have_no_effect(tmp_path: Path) -> None:
    root = make_root(tmp_path, new_identity(shared_authority()), 9)
    old = {"until": "2020-02-29", "suites": ["TLS_RSA_WITH_AES_128_CBC_SHA"]}
    change_config(root, lambda config: config.update(hedgerow={"legacyTls": old}))
    finding = findings_of(root)["old TLS"]
    assert not finding.ok
    assert finding.found == "hedgerow.legacyTls ended on 2020-02-29; it has no effect"
