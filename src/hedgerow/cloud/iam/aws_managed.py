"""The managed policies that come with the service: read-only, owned by the account `aws`.

Those of Greengrass are the guide's four (page security_iam_id-based-policy-examples); the others
are those that its pages attach. Each allows what AWS documents that it does, in our own words.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from hedgerow.cloud.iam.arns import AWS_ACCOUNT, policy_arn
from hedgerow.cloud.iam.documents import ManagedPolicy, PolicyVersion

_SINCE: Final = datetime(2026, 10, 7, tzinfo=UTC)


def _allow(sid: str, actions: Sequence[str], *resources: str) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources or ("*",)),
    }


_GREENGRASS_SERVICE_ROLE: Final = (
    _allow(
        "ShadowsOfCoresAndTheirGroups",
        ("iot:GetThingShadow", "iot:UpdateThingShadow", "iot:DeleteThingShadow"),
        "arn:aws:iot:*:*:thing/GG_*",
        "arn:aws:iot:*:*:thing/*-gcm",
        "arn:aws:iot:*:*:thing/*-gda",
        "arn:aws:iot:*:*:thing/*-gci",
    ),
    _allow("Things", ("iot:DescribeThing",), "arn:aws:iot:*:*:thing/*"),
    _allow("Certificates", ("iot:DescribeCertificate",), "arn:aws:iot:*:*:cert/*"),
    _allow("Greengrass", ("greengrass:*",)),
    _allow("Functions", ("lambda:GetFunction", "lambda:GetFunctionConfiguration")),
    _allow(
        "Secrets",
        ("secretsmanager:GetSecretValue",),
        "arn:aws:secretsmanager:*:*:secret:greengrass-*",
    ),
    _allow(
        "Artifacts",
        ("s3:GetObject",),
        *(
            f"arn:aws:s3:::*{word}*"
            for word in (
                "Greengrass",
                "GreenGrass",
                "greengrass",
                "Sagemaker",
                "SageMaker",
                "sagemaker",
            )
        ),
    ),
    _allow("BucketLocations", ("s3:GetBucketLocation",)),
    _allow(
        "TrainingJobs",
        ("sagemaker:DescribeTrainingJob",),
        "arn:aws:sagemaker:*:*:training-job/*",
    ),
)

_POLICIES: Final[Sequence[tuple[str, str, str, Sequence[Mapping[str, Any]]]]] = (
    ("/", "AdministratorAccess", "Everything.", (_allow("Everything", ("*",)),)),
    (
        "/",
        "AWSGreengrassFullAccess",
        "Every Greengrass operation.",
        (_allow("Greengrass", ("greengrass:*",)),),
    ),
    (
        "/",
        "AWSGreengrassReadOnlyAccess",
        "Looking at what Greengrass has.",
        (_allow("Reading", ("greengrass:List*", "greengrass:Get*")),),
    ),
    (
        "/service-role/",
        "AWSGreengrassResourceAccessRolePolicy",
        "For the Greengrass service role: what deployments take from other services.",
        _GREENGRASS_SERVICE_ROLE,
    ),
    (
        "/service-role/",
        "GreengrassOTAUpdateArtifactAccess",
        "For the signer role of software updates: the files of Greengrass software.",
        (_allow("UpdateArtifacts", ("s3:GetObject",), "arn:aws:s3:::*-greengrass-updates/*"),),
    ),
    (
        "/",
        "AWSIoTDeviceTesterForGreengrassFullAccess",
        "For those who run AWS IoT Device Tester: what it asks AWS about itself.",
        (
            _allow(
                "DeviceTester",
                tuple(
                    f"iot-device-tester:{operation}"
                    for operation in (
                        "CheckVersion",
                        "DownloadTestSuite",
                        "LatestIdt",
                        "SendMetrics",
                        "SupportedVersion",
                    )
                ),
            ),
        ),
    ),
    (
        "/service-role/",
        "AWSLambdaBasicExecutionRole",
        "For a function's execution role: writing logs.",
        (_allow("Logs", ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")),),
    ),
    (
        "/",
        "AmazonS3ReadOnlyAccess",
        "Reading everything in S3.",
        (
            _allow(
                "Reading",
                (
                    "s3:Get*",
                    "s3:List*",
                    "s3:Describe*",
                    "s3-object-lambda:Get*",
                    "s3-object-lambda:List*",
                ),
            ),
        ),
    ),
    (
        "/",
        "IAMUserChangePassword",
        "Changing one's own password.",
        (
            _allow("OwnPassword", ("iam:ChangePassword",), "arn:aws:iam::*:user/${aws:username}"),
            _allow("PasswordRules", ("iam:GetAccountPasswordPolicy",)),
        ),
    ),
)


def _managed(
    path: str, name: str, description: str, statements: Sequence[Mapping[str, Any]]
) -> ManagedPolicy:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    text = json.dumps(document, indent=2)
    return ManagedPolicy(
        name=name,
        path=path,
        description=description,
        versions=(PolicyVersion(number=1, text=text, created_at=_SINCE),),
        updated_at=_SINCE,
    )


AWS_MANAGED: Final[Mapping[str, ManagedPolicy]] = MappingProxyType(
    {
        policy_arn(AWS_ACCOUNT, path, name): _managed(path, name, description, statements)
        for path, name, description, statements in _POLICIES
    }
)
"""The policies by their ARNs, as `arn:aws:iam::aws:policy/AdministratorAccess`."""

ADMINISTRATOR_ACCESS: Final = policy_arn(AWS_ACCOUNT, "/", "AdministratorAccess")
