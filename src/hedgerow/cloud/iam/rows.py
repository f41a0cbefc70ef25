"""Users, groups and roles as the API's answers show them.

Lists leave tags and boundaries out, as AWS's do: those come with the answers about one entity.
"""

from typing import Any

from hedgerow.cloud.iam.arns import group_arn, role_arn, user_arn
from hedgerow.cloud.iam.documents import Group, Identity, Role, User
from hedgerow.cloud.iam.policy_text import on_the_wire
from hedgerow.cloud.iam.tags import tag_rows
from hedgerow.store import Record

Members = dict[str, Any]


def user_row(record: Record[User]) -> Members:
    """Return a user as lists show it."""
    user = record.document
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": record.id,
        "Arn": user_arn(record.account, user.path, user.name),
        "CreateDate": record.created_at,
    }


def user_detail(record: Record[User]) -> Members:
    """Return a user with its tags and boundary."""
    return {**user_row(record), **identity_members(record.document)}


def group_row(record: Record[Group]) -> Members:
    """Return a group."""
    group = record.document
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": record.id,
        "Arn": group_arn(record.account, group.path, group.name),
        "CreateDate": record.created_at,
    }


def role_row(record: Record[Role], trust: str) -> Members:
    """Return a role as lists show it, with its trust policy as it holds now."""
    role = record.document
    row = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": record.id,
        "Arn": role_arn(record.account, role.path, role.name),
        "CreateDate": record.created_at,
        "AssumeRolePolicyDocument": on_the_wire(trust),
        "MaxSessionDuration": role.max_session_s,
    }
    return {**row, "Description": role.description} if role.description else row


def role_detail(record: Record[Role], trust: str) -> Members:
    """Return a role with its tags and boundary."""
    return {**role_row(record, trust), **identity_members(record.document)}


def identity_members(identity: Identity) -> Members:
    """Return the boundary and the tags of a user or role, where there are any."""
    members: Members = {}
    if identity.boundary:
        members["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": identity.boundary,
        }
    if identity.tags:
        members["Tags"] = tag_rows(identity.tags)
    return members
