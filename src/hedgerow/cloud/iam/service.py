"""The `iam` service as a whole, as boto3 and the AWS CLI call it."""

from hedgerow.cloud.iam.absent_operations import AbsentOperations
from hedgerow.cloud.iam.access_key_operations import AccessKeyOperations
from hedgerow.cloud.iam.account_details import AccountDetailOperations
from hedgerow.cloud.iam.account_operations import AccountOperations
from hedgerow.cloud.iam.credential_report_operations import CredentialReportOperations
from hedgerow.cloud.iam.group_operations import GroupOperations
from hedgerow.cloud.iam.holder_operations import HolderOperations
from hedgerow.cloud.iam.login_profile_operations import LoginProfileOperations
from hedgerow.cloud.iam.mfa_operations import MfaOperations
from hedgerow.cloud.iam.policy_operations import PolicyOperations
from hedgerow.cloud.iam.role_operations import RoleOperations
from hedgerow.cloud.iam.simulation_operations import SimulationOperations
from hedgerow.cloud.iam.user_operations import UserOperations


class IamService(
    UserOperations,
    GroupOperations,
    RoleOperations,
    PolicyOperations,
    HolderOperations,
    AccountDetailOperations,
    AccessKeyOperations,
    LoginProfileOperations,
    MfaOperations,
    AccountOperations,
    CredentialReportOperations,
    AbsentOperations,
    SimulationOperations,
):
    """The account's identities, their policies and credentials; a change holds once answered."""
