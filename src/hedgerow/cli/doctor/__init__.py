"""`hedgerow doctor`: what this host, a core's root folder and an account's roles have and lack.

In come nothing, a root folder, or the environment of an account's caller; out go findings, each
with what it is needed for and what to do. It changes nothing.
"""

from hedgerow.cli.doctor.command import doctor

__all__ = ["doctor"]
