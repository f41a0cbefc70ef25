"""From a model's scalar types to the text that stands in headers and in XML."""

from datetime import datetime
from typing import Any

from botocore.model import Shape

from hedgerow.aws.json_writing import write_blob, write_float
from hedgerow.aws.timestamps import write_timestamp


def scalar_text(shape: Shape, value: Any, timestamp_form: str) -> str:
    """Return a value as text; timestamps are in this form unless the model says."""
    if isinstance(value, datetime):
        form = shape.serialization.get("timestampFormat", timestamp_form).lower()
        return str(write_timestamp(value, form))
    if isinstance(value, bool):
        return "true" if value else "false"
    if shape.type_name == "blob":
        return write_blob(value)
    if isinstance(value, float):
        return str(write_float(value))
    return str(value)
