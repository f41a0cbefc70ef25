"""The `hedgerow` command: composes the rooms and holds no logic of theirs.

In come arguments and environment variables; out go exit codes, tables, JSON and one-sentence
errors. It may import every room; nothing imports it. What must never happen here: a decision
about access (it asks the rooms), a secret on the screen except by `hedgerow env`, whose purpose
that is, or an import of the cloud when a core is run. Its tests are in `tests/unit/cli` and
`tests/e2e`.
"""

from hedgerow.cli.entry import main

__all__ = ["main"]
