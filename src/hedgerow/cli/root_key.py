"""`hedgerow cloud root-key`: a key of an account's root, for when nobody else can get in."""

import asyncio
from pathlib import Path

import click

from hedgerow.cli.options import data_option
from hedgerow.cli.output import as_json, print_json, print_pairs, print_table
from hedgerow.cloud.app.root_keys import RootKey, open_offline
from hedgerow.cloud.iam.access_keys import NewAccessKey
from hedgerow.kernel import SystemClock


@click.command("root-key")
@data_option
@click.option("--account", metavar="NUMBER", help="Whose root; without it the first account's.")
@click.option("--list", "listing", is_flag=True, help="Show the root's keys, and make none.")
@click.option("--delete", "deleted", metavar="KEY-ID", help="Delete a key, and make none.")
@as_json
def root_key(
    data: Path, account: str | None, *, listing: bool, deleted: str | None, as_json: bool
) -> None:
    """Make an access key of an account's root, while the cloud does not run.

    The root may do everything, so keep its key for emergencies: its secret is printed now and
    never again, and every use of it is recorded and logged as a warning.
    """
    if listing and deleted is not None:
        raise click.UsageError("--list and --delete exclude each other")
    if listing:
        _print_keys(asyncio.run(_keys(data, account)), as_json=as_json)
    elif deleted is not None:
        asyncio.run(_delete(data, account, deleted))
        _print_facts({"deleted": deleted}, as_json=as_json)
    else:
        made = asyncio.run(_create(data, account))
        facts = {
            "accessKeyId": made.access_key_id,
            "secretAccessKey": made.secret_access_key.reveal(),
        }
        _print_facts(facts, as_json=as_json)
        if not as_json:
            click.echo(
                "\nDelete it after use: hedgerow cloud root-key "
                f"--data {data} --delete {made.access_key_id}",
                err=True,
            )


async def _create(data: Path, account: str | None) -> NewAccessKey:
    async with open_offline(data, account, SystemClock()) as offline:
        return await offline.create_root_key()


async def _delete(data: Path, account: str | None, access_key_id: str) -> None:
    async with open_offline(data, account, SystemClock()) as offline:
        await offline.delete_root_key(access_key_id)


async def _keys(data: Path, account: str | None) -> tuple[RootKey, ...]:
    async with open_offline(data, account, SystemClock()) as offline:
        return await offline.root_keys()


def _print_facts(facts: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        print_pairs(facts)


def _print_keys(keys: tuple[RootKey, ...], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "accessKeyId": key.access_key_id,
                "status": key.status,
                "created": key.created_at.isoformat(),
            }
            for key in keys
        ]
        print_json(rows)
        return
    print_table(
        ("access key", "status", "created"),
        [(key.access_key_id, key.status, f"{key.created_at:%Y-%m-%d %H:%M}") for key in keys],
    )
