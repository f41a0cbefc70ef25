"""The root of the command: which word leads to which module, and how errors are shown."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from hedgerow.kernel import ConfigurationError, HedgerowError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is defined, so that it is imported only when it is used."""

    name: str
    module: str
    help: str
    attribute: str = ""
    """The command in the module, where it cannot have the command's own name."""

    def load(self) -> click.Command:
        """Import the command: the attribute of the command's own name, or the one given.

        Raises `ConfigurationError` if a package of an optional extra is not installed.
        """
        try:
            module = importlib.import_module(self.module)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "hedgerow":
                raise
            raise ConfigurationError(
                f"'{self.name}' needs the Python package {error.name}, which is not installed; "
                "pip install 'hedgerow[demo]' brings what the demonstration needs"
            ) from error
        command: click.Command = getattr(module, self.attribute or self.name)
        return command


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used.

    The core's daemon stays small because nothing of the cloud is imported with it.
    """

    def __init__(self, *args: Any, places: Sequence[Place], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = {place.name: place for place in places}

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands' names in the order in which a person meets them."""
        return list(self._places)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None if there is none of the name."""
        place = self._places.get(cmd_name)
        return None if place is None else place.load()

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(place.name, place.help) for place in self._places.values()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours becomes one sentence and exit code 1."""
        try:
            return super().invoke(ctx)
        except HedgerowError as error:
            sentences = (error.message, *getattr(error, "__notes__", ()))
            raise click.ClickException("; ".join(sentences)) from error


_PLACES = (
    Place("demo", "hedgerow.cli.demo", "Show the whole system on this machine."),
    Place("cloud", "hedgerow.cli.cloud", "Make and run a cloud."),
    Place("env", "hedgerow.cli.environment", "Print what boto3 and the AWS CLI need."),
    Place("core", "hedgerow.cli.core", "Set up and run a core, the daemon at the edge."),
    Place("device", "hedgerow.cli.device", "Set up client devices."),
    Place("import", "hedgerow.cli.estate.importing", "Bring an estate in.", "command"),
    Place("export", "hedgerow.cli.estate.exporting", "Write a group out as files.", "command"),
    Place("why", "hedgerow.cli.why", "Explain an authorization."),
    Place("updates", "hedgerow.cli.updates", "Make, sign and publish software updates."),
    Place("trail", "hedgerow.cli.trail", "Verify the record of calls, offline."),
    Place("doctor", "hedgerow.cli.doctor", "Say what this host has and lacks."),
)

main = click.version_option(package_name="hedgerow")(
    LazyGroup(
        name="hedgerow",
        places=_PLACES,
        help="A self-hosted AWS IoT Greengrass (Version 1): cloud, core, and tools.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
)
