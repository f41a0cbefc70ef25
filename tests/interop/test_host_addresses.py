"""Address detection on a real kernel: several addresses, both families, flapping."""

import json
import shutil
import subprocess
import sys

import pytest

_ALONE = ("unshare", "--map-root-user", "--net")


def _has_own_network() -> bool:
    """Tell whether this host lets a test have a network of its own, and has `ip`."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    tried = subprocess.run(
        [*_ALONE, "ip", "link", "set", "lo", "up"], capture_output=True, check=False
    )
    return tried.returncode == 0


@pytest.mark.skipif(not _has_own_network(), reason="no network namespaces for this user here")
@pytest.mark.spec("E09", "Y03")
def test_what_the_kernel_tells_is_published_at_once_and_flapping_is_not() -> None:
    """No look at intervals takes part: each list is there long before the first would be due."""
    done = subprocess.run(
        [*_ALONE, sys.executable, "-m", "tests.support.flapping_host"],
        capture_output=True,
        text=True,
        timeout=45,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        ["127.0.0.1", "::1"],
        ["10.9.9.1", "127.0.0.1", "::1"],
        ["10.9.9.1", "2001:db8::1", "127.0.0.1", "::1"],
        ["10.9.9.1", "192.168.77.5", "2001:db8::1", "127.0.0.1", "::1"],
    ]
