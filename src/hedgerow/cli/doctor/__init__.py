"""`hedgerow doctor`: what this host has and lacks, and what a core's root folder has and lacks.

In come nothing, or a root folder; out go findings, each with what it is needed for and what to
do. It changes nothing.
"""

from hedgerow.cli.doctor.command import doctor

__all__ = ["doctor"]
