"""All faults, in the order of the documents."""

from tests.support.why.access_faults import ACCESS
from tests.support.why.call_faults import CALLS
from tests.support.why.device_faults import DEVICE
from tests.support.why.fault import Fault
from tests.support.why.message_faults import MESSAGE
from tests.support.why.role_faults import ROLES

FAULTS: tuple[Fault, ...] = (*DEVICE.all, *MESSAGE.all, *ACCESS.all, *ROLES.all, *CALLS.all)
