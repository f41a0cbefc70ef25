"""What can go wrong with the store, by whose fault it is."""

from hedgerow.kernel import CallerError, HedgerowError


class AlreadyExistsError(CallerError):
    """A record of this kind has this id, or this name under this parent, already."""

    code = "AlreadyExists"


class VersionConflictError(CallerError):
    """The record was changed or deleted since it was read; read it again and decide anew."""

    code = "VersionConflict"


class TamperedError(HedgerowError):
    """Stored bytes are not what the store wrote there: edited, moved, swapped or damaged."""

    code = "Tampered"


class UnreadableDocumentError(HedgerowError):
    """A genuine document does not have the shape this version of Hedgerow expects."""

    code = "UnreadableDocument"
