"""`hedgerow cloud init`, `hedgerow cloud run` and `hedgerow cloud root-key`."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import click
import uvloop

from hedgerow.cli.log import configure_log
from hedgerow.cli.options import PORT, data_option
from hedgerow.cli.output import as_json, print_json, print_pairs, progress
from hedgerow.cli.root_key import root_key
from hedgerow.cloud.app import init_cloud, read_private_api, run_cloud
from hedgerow.cloud.app.cloud_app import ANY_HOST, API_PORT, DEVICE_HTTPS_PORT, DEVICE_MQTT_PORT
from hedgerow.cloud.cloudtrail import Intervals
from hedgerow.kernel import SystemClock

cloud = click.Group(
    name="cloud", help="The cloud: AWS-compatible APIs, device data plane, message broker."
)
cloud.add_command(root_key)


@cloud.command("init")
@data_option
@click.option("--region", default="us-east-1", show_default=True, help="The region it serves.")
@click.option("--account", help="A 12-digit account number; without it a random one.")
@click.option(
    "--host-name",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name or address that cores and devices reach this machine by (repeatable).",
)
@as_json
def init(
    data: Path, region: str, account: str | None, hosts: tuple[str, ...], *, as_json: bool
) -> None:
    """Make an account, its certificate authorities and an administrator in a new folder."""
    with progress("Making keys and certificate authorities"):
        made = asyncio.run(
            init_cloud(
                data, region=region, account_id=account, host_names=hosts, clock=SystemClock()
            )
        )
    facts = {
        "account": made.account_id,
        "region": made.region,
        "administrator": made.administrator_arn,
        "rootCa": str(made.root_certificate),
        "data": str(data),
    }
    if as_json:
        print_json(facts)
        return
    print_pairs(facts)
    click.echo(f"\nNext: hedgerow cloud run --data {data}")


@cloud.command("run")
@data_option
@click.option("--host", default=ANY_HOST, show_default=True, help="The address to listen on.")
@click.option(
    "--api-port",
    default=API_PORT,
    type=PORT,
    show_default=True,
    help="AWS APIs (0: any free port).",
)
@click.option(
    "--device-https-port",
    default=DEVICE_HTTPS_PORT,
    type=PORT,
    show_default=True,
    help="Device data plane.",
)
@click.option(
    "--device-mqtt-port",
    default=DEVICE_MQTT_PORT,
    type=PORT,
    show_default=True,
    help="Device MQTT.",
)
@click.option(
    "--combined-port",
    type=PORT,
    help="One more port for both of the latter, told apart by ALPN (as AWS does on 443).",
)
@click.option(
    "--private-api",
    "private_apis",
    multiple=True,
    metavar="id=vpce-…,host=ADDRESS,port=PORT[,policy=FILE]",
    help="A private door of the AWS APIs, whose policy has to allow every call (repeatable).",
)
@click.option("--no-public-api", is_flag=True, help="Open the private doors of the AWS APIs only.")
@click.option(
    "--deliveries",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where trails deliver (default: DIR/deliveries). Another disk is better.",
)
@click.option(
    "--trail-minutes",
    type=click.FloatRange(min=0.05),
    default=5,
    show_default=True,
    help="How often trails deliver log files.",
)
@click.option(
    "--digest-minutes",
    type=click.FloatRange(min=0.05),
    default=60,
    show_default=True,
    help="How often trails deliver signed digests.",
)
def run(
    data: Path,
    *,
    host: str,
    api_port: int,
    device_https_port: int,
    device_mqtt_port: int,
    combined_port: int | None,
    private_apis: tuple[str, ...],
    deliveries: Path | None,
    trail_minutes: float,
    digest_minutes: float,
    no_public_api: bool,
) -> None:
    """Serve until SIGTERM or Ctrl-C. The ports in force are in DIR/endpoints.json."""
    doors = [read_private_api(text) for text in private_apis]
    configure_log(sys.stderr, SystemClock(), for_good=True)
    uvloop.run(
        run_cloud(
            data,
            host=host,
            api_port=None if no_public_api else api_port,
            device_https_port=device_https_port,
            device_mqtt_port=device_mqtt_port,
            combined_port=combined_port,
            private_apis=doors,
            deliveries=deliveries,
            trail_intervals=Intervals(
                logs=timedelta(minutes=trail_minutes), digests=timedelta(minutes=digest_minutes)
            ),
        )
    )
