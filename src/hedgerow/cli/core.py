"""`hedgerow core`: which word leads to which module."""

from hedgerow.cli.entry import LazyGroup, Place

core = LazyGroup(
    name="core",
    help="The core: the edge daemon on a Greengrass root folder.",
    places=(
        Place("provision", "hedgerow.cli.core_provision", "Make everything a new core needs."),
        Place("credentials", "hedgerow.cli.core_credentials", "Run a command as the group's role."),
        Place(
            "repoint",
            "hedgerow.cli.estate.repointing",
            "Turn an old core's folder towards this cloud.",
            "command",
        ),
        Place("run", "hedgerow.cli.core_run", "Serve client devices until told to stop."),
        Place("status", "hedgerow.cli.core_status", "Say what a core runs, and what is wrong."),
        Place("stop", "hedgerow.cli.core_stop", "Stop the core that runs on a root folder."),
        Place("agent", "hedgerow.cli.core_agent", "Take software updates until told to stop."),
    ),
)
