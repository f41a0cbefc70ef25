"""The programs of software that is updated, as shell scripts under their documented words.

Source: guide page gg-core (`greengrassd start|stop|restart`) and core-ota-update (`ggc-ota`).
"""

from hedgerow.contract.updates import Software

_BEGIN = "#!/bin/sh\nset -eu\n"


def program_text(software: Software, *, launch: str, root: str, before: str = "") -> str:
    """Return the script of a core or of an update agent.

    `launch` and `root` are shell words: what takes the process over as `hedgerow`, and the core's
    root folder. `before` are lines that these need.
    """
    if software == "ota_agent":
        return f'{_BEGIN}{before}{launch} core agent --root {root} "$@"\n'
    return f"""{_BEGIN}{before}case "${{1:-}}" in
run)   shift; {launch} core run --root {root} "$@" ;;
start) shift; "$0" run "$@" </dev/null >/dev/null 2>&1 & ;;
stop)  {launch} core stop --root {root} ;;
restart) shift; "$0" stop; "$0" start "$@" ;;
*) echo "usage: $0 start|stop|restart|run" >&2; exit 2 ;;
esac
"""
