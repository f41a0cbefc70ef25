"""Refusals before anybody was known: what is wrong with a signature or a key, and what to do."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hedgerow.aws.signature_errors import SignatureFault, aws_codes
from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.why.path import Step
from hedgerow.cli.why.registry import found
from hedgerow.cloud.iam.key_ids import is_temporary

_STEP: Final = "signature"
_ACTIVE: Final = "Active"
_A_SECOND: Final = timedelta(seconds=1)
"""How exact the time of a record is."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a fault means; `begins` is how its message begins where codes are shared."""

    fault: SignatureFault
    code: str
    says: str
    change: str
    begins: str = ""


_MEANINGS: Final = (
    _Meaning(
        SignatureFault.MISSING,
        "not-signed",
        "the request was not signed at all",
        "call with an access key: 'hedgerow env' prints one for the shell",
    ),
    _Meaning(
        SignatureFault.INCOMPLETE,
        "incomplete-signature",
        "the signature lacks a part",
        "let an AWS SDK or the AWS CLI sign, with a proxy between that leaves headers alone",
    ),
    _Meaning(
        SignatureFault.TOKEN_EXPIRED,
        "session-expired",
        "the temporary credentials had ended",
        "get new ones from where these came: aws sts get-session-token, or aws sts assume-role "
        "--role-arn ROLE --role-session-name NAME",
    ),
    _Meaning(
        SignatureFault.REQUEST_EXPIRED,
        "presigned-expired",
        "the presigned address was used after its time",
        "sign it anew, with a longer time if need be",
    ),
    _Meaning(
        SignatureFault.DATE_SKEW,
        "clock-skew",
        "the caller's clock is behind by more than the 15 minutes that are allowed",
        "set the clock of the machine that called right",
        begins="Signature expired",
    ),
    _Meaning(
        SignatureFault.DATE_SKEW,
        "clock-skew",
        "the caller's clock is ahead by more than the 15 minutes that are allowed",
        "set the clock of the machine that called right",
        begins="Signature not yet current",
    ),
    _Meaning(
        SignatureFault.WRONG_SCOPE,
        "wrong-scope",
        "it was signed for another region, service or day",
        "call in the region of this cloud: set AWS_DEFAULT_REGION as 'hedgerow env' prints it",
        begins="Credential should be scoped",
    ),
    _Meaning(
        SignatureFault.WRONG_SCOPE,
        "wrong-scope",
        "it was signed for another day than its date says",
        "let an AWS SDK or the AWS CLI sign",
        begins="Date in Credential scope",
    ),
    _Meaning(
        SignatureFault.MISMATCH,
        "wrong-secret",
        "the signature was not made with the secret of this access key",
        "use the secret access key that was given out together with this id, or make a new pair "
        "with: aws iam create-access-key --user-name USER",
    ),
)


def signature_step(
    api: CloudApi, code: str, message: str, key_id: str, at: datetime
) -> Step | None:
    """Return what was wrong with a signature; None if the code is of something else.

    `at` is when the call was made.
    """
    if code in aws_codes(SignatureFault.UNKNOWN_KEY):
        return _unknown_key(api, key_id, at)
    for meaning in _MEANINGS:
        if code in aws_codes(meaning.fault) and message.startswith(meaning.begins):
            says = meaning.says if not key_id else f"{meaning.says} (access key {key_id})"
            return Step(_STEP, passed=False, says=says, code=meaning.code, change=meaning.change)
    return None


def _unknown_key(api: CloudApi, key_id: str, at: datetime) -> Step:
    """Say why no such key was known: it is looked up as it is now."""
    if is_temporary(key_id):
        return _failed(
            "session-unknown",
            f"access key {key_id} of a session is not known with this session token: it was "
            "revoked, its role or user is gone, or the token is another session's",
            "get new ones with: aws sts assume-role --role-arn ROLE --role-session-name NAME, and "
            "use all three parts together",
        )
    owner = found(api, "iam", "get_access_key_last_used", AccessKeyId=key_id)
    user = "" if owner is None else owner.get("UserName", "")
    keys = api.pages("iam", "list_access_keys", "AccessKeyMetadata", UserName=user) if user else ()
    for key in keys:
        if key["AccessKeyId"] != key_id:
            continue
        if key["Status"] == _ACTIVE:
            return _refused_though_active(
                key_id, user, made_later=key["CreateDate"] >= at + _A_SECOND
            )
        return _failed(
            "key-inactive",
            f"access key {key_id} of user {user} is inactive",
            f"activate it with: aws iam update-access-key --user-name {user} --access-key-id "
            f"{key_id} --status Active",
        )
    return _failed(
        "key-unknown",
        f"no user of this account has the access key {key_id}",
        "use a key of this cloud, or make one with: aws iam create-access-key --user-name USER",
    )


def _refused_though_active(key_id: str, user: str, *, made_later: bool) -> Step:
    """Return why a key that is active now was refused then.

    The record does not keep whether a session token came with it. A lasting key has none, and
    with one it is as unknown as with another session's.
    """
    if made_later:
        return _failed(
            "key-was-unknown",
            f"access key {key_id} of user {user} was made after this call",
            "call again",
        )
    return _failed(
        "token-with-lasting-key",
        f"access key {key_id} of user {user} is active, and was refused: either a session token "
        "came with it, left over from a session, and a lasting key has none; or the key was "
        "inactive at that time",
        "take the token away with: unset AWS_SESSION_TOKEN (or aws_session_token out of the "
        "profile), and call again",
    )


def _failed(code: str, says: str, change: str) -> Step:
    return Step(_STEP, passed=False, says=says, code=code, change=change)
