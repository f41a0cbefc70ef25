"""Operations on virtual MFA devices."""

import base64
import io
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import segno

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.iam import mfa
from hedgerow.cloud.iam.faults import no_such_entity
from hedgerow.cloud.iam.mfa import MFA_ASSIGNMENT, MFA_DEVICE, MfaAssignment, MfaDevice
from hedgerow.cloud.iam.owners import ROOT_NAME, owner_of
from hedgerow.cloud.iam.paging import page
from hedgerow.cloud.iam.rows import user_row
from hedgerow.cloud.iam.service_base import IamOperations
from hedgerow.cloud.iam.tags import tag_page, tagged, untagged
from hedgerow.cloud.iam.totp import provisioning_uri
from hedgerow.store import Record

_PIXELS_PER_MODULE = 4


class MfaOperations(IamOperations):
    """CreateVirtualMFADevice to ListMFADeviceTags."""

    @operation("CreateVirtualMFADevice")
    async def create_virtual_mfa_device(self, call: Call) -> Answer:
        """Make a device; its seed is given out for the only time, as text and as a picture."""
        async with self._store.transaction() as tx:
            record = await mfa.create_device(
                tx,
                call.account,
                call.input["VirtualMFADeviceName"],
                path=call.input.get("Path", "/"),
                tags=tagged({}, call.input.get("Tags", ())),
            )
        device = record.document
        return {
            "VirtualMFADevice": {
                "SerialNumber": record.id,
                "Base32StringSeed": base64.b32encode(device.seed),
                "QRCodePNG": _picture(provisioning_uri(device.seed, device.name, call.account)),
            }
        }

    @operation("DeleteVirtualMFADevice")
    async def delete_virtual_mfa_device(self, call: Call) -> Answer:
        """Delete a device that is nobody's."""
        async with self._store.transaction() as tx:
            await mfa.delete_device(tx, call.account, call.input["SerialNumber"])
        return None

    @operation("EnableMFADevice")
    async def enable_mfa_device(self, call: Call) -> Answer:
        """Make a device a user's, on proof of two codes in a row."""
        await self._with_codes(call, mfa.enable)
        return None

    @operation("ResyncMFADevice")
    async def resync_mfa_device(self, call: Call) -> Answer:
        """Put a device right whose clock is off, by two codes in a row."""
        await self._with_codes(call, mfa.resync)
        return None

    @operation("DeactivateMFADevice")
    async def deactivate_mfa_device(self, call: Call) -> Answer:
        """Take a device from its user."""
        owner = await owner_of(self._directory, call, call.input.get("UserName"))
        async with self._store.transaction() as tx:
            await mfa.deactivate(tx, call.account, owner.id, call.input["SerialNumber"])
        return None

    @operation("GetMFADevice")
    async def get_mfa_device(self, call: Call) -> Answer:
        """Return whose a device is, and since when."""
        serial = call.input["SerialNumber"]
        await mfa.existing_device(self._store, call.account, serial)
        assignment = await self._store.get(MFA_ASSIGNMENT, call.account, serial)
        if "UserName" in call.input:
            owner = await owner_of(self._directory, call, call.input["UserName"])
            assignment = await mfa.existing_assignment(self._store, call.account, owner.id, serial)
        if assignment is None:
            return {"SerialNumber": serial}
        return {
            "UserName": await self._name_of(assignment),
            "SerialNumber": serial,
            "EnableDate": assignment.document.enabled_at,
        }

    @operation("ListMFADevices")
    async def list_mfa_devices(self, call: Call) -> Answer:
        """Return the devices of a user."""
        owner = await owner_of(self._directory, call, call.input.get("UserName"))
        records = await mfa.devices_of(self._store, call.account, owner.id)
        shown, more = page(records, call.input, lambda record: record.id)
        rows = [
            {
                "UserName": owner.name,
                "SerialNumber": record.id,
                "EnableDate": record.document.enabled_at,
            }
            for record in shown
        ]
        return {"MFADevices": rows, **more}

    @operation("ListVirtualMFADevices")
    async def list_virtual_mfa_devices(self, call: Call) -> Answer:
        """Return the account's devices, with whose they are."""
        wanted = call.input.get("AssignmentStatus", "Any")
        assigned = {
            record.id: record for record in await self._store.all(MFA_ASSIGNMENT, call.account)
        }
        devices = [
            record
            for record in await self._store.all(MFA_DEVICE, call.account)
            if wanted == "Any" or (record.id in assigned) is (wanted == "Assigned")
        ]
        shown, more = page(devices, call.input, lambda record: record.id)
        rows = [await self._device_row(record, assigned.get(record.id)) for record in shown]
        return {"VirtualMFADevices": rows, **more}

    @operation("TagMFADevice")
    async def tag_mfa_device(self, call: Call) -> Answer:
        """Add tags to a device."""
        async with self._store.transaction() as tx:
            record = await mfa.existing_device(tx, call.account, call.input["SerialNumber"])
            tags = tagged(record.document.tags, call.input["Tags"])
            await tx.update(record, msgspec.structs.replace(record.document, tags=tags))
        return None

    @operation("UntagMFADevice")
    async def untag_mfa_device(self, call: Call) -> Answer:
        """Take tags from a device."""
        async with self._store.transaction() as tx:
            record = await mfa.existing_device(tx, call.account, call.input["SerialNumber"])
            tags = untagged(record.document.tags, call.input["TagKeys"])
            await tx.update(record, msgspec.structs.replace(record.document, tags=tags))
        return None

    @operation("ListMFADeviceTags")
    async def list_mfa_device_tags(self, call: Call) -> Answer:
        """Return a device's tags."""
        record = await mfa.existing_device(self._store, call.account, call.input["SerialNumber"])
        return tag_page(record.document.tags, call.input)

    async def _with_codes(self, call: Call, change: Callable[..., Awaitable[None]]) -> None:
        """Change a user's device by two codes of it: `mfa.enable` or `mfa.resync`."""
        owner = await owner_of(self._directory, call, call.input["UserName"])
        async with self._store.transaction() as tx:
            await change(
                tx,
                call.account,
                owner.id,
                serial=call.input["SerialNumber"],
                codes=(call.input["AuthenticationCode1"], call.input["AuthenticationCode2"]),
                now=self._clock.now(),
            )

    async def _name_of(self, assignment: Record[MfaAssignment]) -> str:
        owner_id = assignment.parent or ""
        if owner_id == assignment.account:
            return ROOT_NAME
        user = await self._directory.user_of_id(assignment.account, owner_id)
        if user is None:
            raise no_such_entity("user", owner_id)
        return user.name

    async def _device_row(
        self, record: Record[MfaDevice], assignment: Record[MfaAssignment] | None
    ) -> dict[str, Any]:
        row: dict[str, Any] = {"SerialNumber": record.id}
        if assignment is not None:
            row["EnableDate"] = assignment.document.enabled_at
            user = (await self._estate()).users.get(assignment.parent or "")
            if user is not None:
                row["User"] = user_row(user)
        return row


def _picture(text: str) -> bytes:
    drawn = io.BytesIO()
    segno.make(text, micro=False).save(drawn, kind="png", scale=_PIXELS_PER_MODULE)
    return drawn.getvalue()
