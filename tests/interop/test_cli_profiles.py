"""The AWS CLI, unchanged: profiles that assume roles, with a one-time code and along a chain."""

import asyncio
import base64
import json
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from tests.support.cloud import ACCOUNT, REGION, RunningCloud, running_cloud
from tests.support.people import allow, policy, trusting

from hedgerow.cli.environment import environment
from hedgerow.kernel import SystemClock

ROLES = f"arn:aws:iam::{ACCOUNT}:role"
WITH_CODE = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
WITH_ID = {"StringEquals": {"sts:ExternalId": "agreed-7"}}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(tmp_path) as running:
        yield running


@dataclass(frozen=True)
class Shell:
    """A person's shell: a home with an AWS configuration, and what `hedgerow env` prints."""

    folder: Path
    cloud: RunningCloud

    def configure(self, **profiles: dict[str, str]) -> None:
        """Write `~/.aws/config`."""
        (self.folder / ".aws").mkdir(parents=True)
        sections = [
            "\n".join([f"[profile {name}]", *(f"{key} = {value}" for key, value in lines.items())])
            for name, lines in profiles.items()
        ]
        (self.folder / ".aws" / "config").write_text("\n\n".join(sections) + "\n")

    def run(self, profile: str, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run the AWS CLI under a profile; `typed` is what the person types when asked."""
        told = environment(self.cloud.data_dir)
        kept = ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_DEFAULT_REGION")
        return subprocess.run(
            ["aws", "--profile", profile, "--output", "json", *words],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                **{name: told[name] for name in kept},
            },
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # without a terminal the code is read from standard input
        )

    async def answer(self, profile: str, *words: str, typed: str = "") -> Any:
        """Return what the AWS CLI prints."""
        done = await asyncio.to_thread(self.run, profile, *words, typed=typed)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def refusal(self, profile: str, *words: str, typed: str = "") -> str:
        """Return what the AWS CLI complains of."""
        done = await asyncio.to_thread(self.run, profile, *words, typed=typed)
        assert done.returncode != 0
        return done.stderr


async def user(cloud: RunningCloud, name: str, *statements: dict[str, Any]) -> dict[str, str]:
    """Make a user, and return a profile with its key."""
    await cloud.call("iam", "create_user", UserName=name)
    await cloud.call(
        "iam",
        "put_user_policy",
        UserName=name,
        PolicyName="own",
        PolicyDocument=policy(*statements),
    )
    key = (await cloud.call("iam", "create_access_key", UserName=name))["AccessKey"]
    return {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
        "region": REGION,
    }


async def role(cloud: RunningCloud, name: str, trust: str, *statements: dict[str, Any]) -> None:
    """Make a role."""
    await cloud.call("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=trust)
    await cloud.call(
        "iam",
        "put_role_policy",
        RoleName=name,
        PolicyName="own",
        PolicyDocument=policy(*statements),
    )


async def authenticator(cloud: RunningCloud, name: str) -> tuple[str, str]:
    """Enable a device for a user; return its serial number and the next code that is good."""
    made = await cloud.call("iam", "create_virtual_mfa_device", VirtualMFADeviceName=name)
    device = made["VirtualMFADevice"]
    totp = TOTP(base64.b32decode(device["Base32StringSeed"]), 6, SHA1(), 30)  # noqa: S303 - theirs
    step = int(SystemClock().now().timestamp()) // 30
    codes = [totp.generate((step + shift) * 30).decode() for shift in (-1, 0, 1)]
    await cloud.call(
        "iam",
        "enable_mfa_device",
        UserName=name,
        SerialNumber=device["SerialNumber"],
        AuthenticationCode1=codes[0],
        AuthenticationCode2=codes[1],
    )
    return device["SerialNumber"], codes[2]


@pytest.mark.spec("L01")
async def test_profiles_assume_roles_with_a_code_and_along_a_chain(
    cloud: RunningCloud, tmp_path: Path
) -> None:
    ada = f"arn:aws:iam::{ACCOUNT}:user/ada"
    profile = await user(cloud, "ada", allow("sts:AssumeRole", on=f"{ROLES}/*"))
    careful = trusting(ada, Condition=WITH_CODE)
    await role(cloud, "operator", careful, allow("iot:*", "sts:AssumeRole"))
    guarded = trusting(f"{ROLES}/operator", Condition=WITH_ID)
    await role(cloud, "auditor", guarded, allow("iot:ListThings"))
    serial, code = await authenticator(cloud, "ada")
    operator = {"role_arn": f"{ROLES}/operator", "source_profile": "ada", "region": REGION}
    shell = Shell(tmp_path / "home", cloud)
    shell.configure(
        ada=profile,
        hasty=operator,
        operator={**operator, "mfa_serial": serial},
        auditor={
            "role_arn": f"{ROLES}/auditor",
            "source_profile": "operator",
            "external_id": "agreed-7",
            "role_session_name": "audit",
            "region": REGION,
        },
    )
    who = await shell.answer("ada", "sts", "get-caller-identity")
    assert who["Arn"] == ada
    assert "sts:AssumeRole" in await shell.refusal("hasty", "iot", "list-things")
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    complaint = await shell.refusal("operator", "iot", "list-things", typed=f"{wrong}\n")
    assert "invalid MFA one time pass code" in complaint
    who = await shell.answer("auditor", "sts", "get-caller-identity", typed=f"{code}\n")
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/audit"
    # The CLI has kept both sessions: no code is asked for again.
    assert (await shell.answer("auditor", "iot", "list-things"))["things"] == []
    made = await shell.answer("operator", "iot", "create-thing", "--thing-name", "lamp")
    assert made["thingName"] == "lamp"
    assert "iot:CreateThing" in await shell.refusal(
        "auditor", "iot", "create-thing", "--thing-name", "fan"
    )


async def test_the_cli_makes_and_enables_a_device(cloud: RunningCloud, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "home", cloud)
    shell.configure(ada=await user(cloud, "ada", allow("iam:*MFA*")))
    picture, seed = tmp_path / "code.png", tmp_path / "seed"
    making = ("iam", "create-virtual-mfa-device", "--virtual-mfa-device-name")
    made = await shell.answer(
        "ada", *making, "one", "--outfile", str(picture), "--bootstrap-method", "QRCodePNG"
    )
    assert made["VirtualMFADevice"] == {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/one"}
    made = await shell.answer(
        "ada", *making, "two", "--outfile", str(seed), "--bootstrap-method", "Base32StringSeed"
    )
    png, text = await asyncio.to_thread(lambda: (picture.read_bytes(), seed.read_bytes()))
    assert png.startswith(b"\x89PNG")
    totp = TOTP(base64.b32decode(text), 6, SHA1(), 30)  # noqa: S303 - what the apps have
    step = int(SystemClock().now().timestamp()) // 30
    done = await asyncio.to_thread(
        shell.run,
        "ada",
        *("iam", "enable-mfa-device", "--user-name", "ada"),
        *("--serial-number", made["VirtualMFADevice"]["SerialNumber"]),
        *("--authentication-code1", totp.generate((step - 1) * 30).decode()),
        *("--authentication-code2", totp.generate(step * 30).decode()),
    )
    assert done.returncode == 0, done.stderr
    listed = await cloud.call("iam", "list_mfa_devices", UserName="ada")
    assert [one["SerialNumber"] for one in listed["MFADevices"]] == [
        f"arn:aws:iam::{ACCOUNT}:mfa/two"
    ]
