"""Make a core's or a device's identity and its place in a group, through the cloud's public APIs.

In come names and the environment that `hedgerow env` prints; out go files for the machine that is
set up, and things, certificates, policies and groups in the cloud. It uses botocore like any other
client of the cloud and never opens the cloud's data folder. Private keys are made here, written
with mode 0600 and never sent anywhere: the cloud gets a certificate request.
"""

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.provision.group import GroupContent
from hedgerow.cli.provision.identity import Identity, make_core_identity, make_device_identity
from hedgerow.cli.provision.row import Row

__all__ = [
    "CloudApi",
    "GroupContent",
    "Identity",
    "Row",
    "make_core_identity",
    "make_device_identity",
]
