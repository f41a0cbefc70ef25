"""`hedgerow doctor` tells what is wrong with a host or a root folder, and what to do."""

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

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
        }
    }
    (root / "config").mkdir()
    (root / "config" / "config.json").write_text(json.dumps(config))
    return root


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
