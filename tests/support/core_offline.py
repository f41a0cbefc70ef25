"""A core whose group was deployed earlier and whose cloud cannot be reached."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.cloud_documents import GroupDouble, thing_arn
from tests.support.core import CloudPlace, write_root
from tests.support.local_server import certificate_for, verified
from tests.support.pki import Identity

from hedgerow.core.certificates import ServerCertificateStore
from hedgerow.core.config import load_config
from hedgerow.core.deployment import DeploymentFolder
from hedgerow.pki import FileKey, write_private

NOWHERE = 1
"""A port on which nothing listens."""


def offline_root(
    folder: Path, double: GroupDouble, *, lifetime: timedelta = timedelta(days=7), **settings: Any
) -> Path:
    """Make the root folder of a core as it is after a deployment."""
    core = double.keys.device(double.core)
    identity = Identity(core.key, core.certificate_pem)
    place = CloudPlace(NOWHERE, NOWHERE, double.keys.root.certificate_pem, host="127.0.0.1")
    root = write_root(folder, thing_arn(double.core), identity, place, **settings)
    config = load_config(root)
    deploy_offline(root, double)
    certificate = certificate_for(double, lifetime)
    assert isinstance(certificate.key, FileKey)
    write_private(config.folders.server / "server.key", certificate.key.pem().reveal())
    ServerCertificateStore(config.folders.server, None).keep(certificate)
    return root


def deploy_offline(root: Path, double: GroupDouble) -> None:
    """Put a deployment into the folder of a core that is not running."""
    config = load_config(root)
    folder = DeploymentFolder(
        config.folders.deployment, thing_arn(double.core), [double.keys.root.certificate]
    )
    group, membership = verified(double)
    folder.stage(group)
    folder.switch(group, membership, before=folder.running_id())
    folder.confirm(group.group.deployment_id)
