"""What a new cloud begins with: an organization of one account, and its administrator."""

from hedgerow.cloud.app.administrator import AdministratorFile
from hedgerow.cloud.home import Home
from hedgerow.cloud.iam import found_account
from hedgerow.cloud.iam.access_keys import create_access_key
from hedgerow.cloud.organizations import found_organization, is_founded
from hedgerow.store import Store


async def found_cloud(store: Store, home: Home) -> AdministratorFile:
    """Make the founding account with its administrator, and return what goes into `admin.json`."""
    async with store.transaction() as tx:
        await found_organization(tx, home)
        user = await found_account(tx, home.account)
        key = await create_access_key(tx, home.account, user.id)
    return AdministratorFile(
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key.reveal(),
        account=home.account,
        arn=user.arn,
        region=home.region,
    )


async def found_if_missing(store: Store, home: Home) -> AdministratorFile | None:
    """Found what a data folder of the first version does not have; None if all is there.

    Its administrator was no IAM user, so it gets a new key; all else in the folder stays.
    """
    if await is_founded(store, home.account):
        return None
    return await found_cloud(store, home)
