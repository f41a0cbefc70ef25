"""A sound cloud, core and account, into which single faults are put for `hedgerow why` to name."""
