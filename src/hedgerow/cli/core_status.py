"""`hedgerow core status`: what a core runs and how it is; when it is off, what a start would do."""

import http.client
import json
from pathlib import Path
from typing import Any, Final

import click

from hedgerow.cli.options import root_option
from hedgerow.cli.output import as_json, print_json, print_pairs
from hedgerow.cli.stored_deployments import stored_of
from hedgerow.core.app import read_endpoints
from hedgerow.core.config import load_config
from hedgerow.kernel import ConfigurationError

_PATH: Final = "/health"
_SECONDS: Final = 10
_OFF: Final = 1

_MODES: Final = {
    "none": "no group is deployed",
    "running": "the group is served",
    "trial": "the group is served, and its health check is not over",
    "previous": "the deployment before the last one is served",
    "rescue": "no group is served until the next deployment comes",
}
"""What each mode means."""


@click.command()
@root_option
@as_json
def status(root: Path, *, as_json: bool) -> None:
    """Say what the core of a root folder runs, and what is wrong; exit code 1 if it is off."""
    config = load_config(root)
    found = _ask(root)
    if found is None:
        found = {"status": "off", "deployment": stored_of(config).facts()}
    if as_json:
        print_json(found)
    else:
        _show(found)
    if found["status"] == "off":
        raise click.exceptions.Exit(_OFF)


def _ask(root: Path) -> dict[str, Any] | None:
    """Return what the core says of itself, None if it is off."""
    try:
        port = read_endpoints(root).gg_daemon_port
    except ConfigurationError:
        return None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", _PATH)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None  # it was killed, and left the file behind
    finally:
        connection.close()
    return answer


def _show(found: dict[str, Any]) -> None:
    deployment = found["deployment"]
    if found["status"] == "off":
        print_pairs({"core": "off", **_stored(deployment)})
        return
    failure = deployment.get("lastFailure")
    print_pairs(
        {
            "core": "ok" if found["status"] == "ok" else "serves, with problems",
            "group": _MODES.get(deployment["mode"], deployment["mode"]),
            "deployment": deployment["deploymentId"] or "-",
            "cloud": "connected" if found["cloud"]["connected"] else "not connected",
            "clients": str(found["mqtt"]["clients"]),
            "waiting": f"{found['spool']['waiting']} messages for the cloud",
        }
        | ({"failed": f"{failure['deploymentId']}: {failure['reason']}"} if failure else {})
    )
    for problem in found["problems"]:
        click.echo(f"problem: {problem}")


def _stored(deployment: dict[str, Any]) -> dict[str, str]:
    failed = [f"{name}: {why}" for name, why in deployment["failed"].items()]
    return {
        "a start": f"would run deployment {deployment['startsWith']}"
        if deployment["startsWith"]
        else "would serve no group",
        **({"passed over": "; ".join(deployment["faults"])} if deployment["faults"] else {}),
        **({"failed": "; ".join(failed)} if failed else {}),
    }
