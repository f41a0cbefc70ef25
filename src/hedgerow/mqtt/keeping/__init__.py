"""Keeps sessions and retained messages in files, so that they outlive the broker's process.

What comes in: the engine's `Keeper` calls, and a `Sealer` from whoever wants the files encrypted.
What goes out: what was kept, once, at the start; `OSError` when the disk does not take something.
It imports `kernel` and the engine's plain data only. What must never happen here: half a change
that is found again, a file that others can read, a start that fails for what lies in the folder,
memory for what is settled, or a wait for the disk on the event loop that was not asked for.

The way of a change: `file_keeper` (the face) -> `live` (what lives, and which change that is) ->
`journal` (which segment, when the next) -> `changes` (bytes) -> `segment` (frames in a file); and
back at a start: `folder` -> `segment` -> `replay`. Tests: `tests/unit/mqtt/keeping`,
`tests/property/test_mqtt_keeping_*`, `tests/security/test_kill9.py`.
"""

from hedgerow.mqtt.keeping.file_keeper import FileKeeper
from hedgerow.mqtt.keeping.seal import BrokenSealError, FileSealer, Sealer

__all__ = ["BrokenSealError", "FileKeeper", "FileSealer", "Sealer"]
