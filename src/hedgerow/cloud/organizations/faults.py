"""The errors of `organizations`, in the words of its model."""

from hedgerow.aws import AwsError


def access_denied() -> AwsError:
    """Return the error for what only the management account may do."""
    return AwsError(
        "AccessDeniedException",
        "You don't have permissions to access this resource: only the management account of the "
        "organization has, which is the account that the cloud was made with.",
    )


def account_not_found(account_id: str) -> AwsError:
    """Return the error for a number that is no account of the organization."""
    return AwsError(
        "AccountNotFoundException", f"{account_id} is not an account of this organization."
    )


def request_not_found(request_id: str) -> AwsError:
    """Return the error for an id of no CreateAccount."""
    return AwsError("CreateAccountStatusNotFoundException", f"There was no request {request_id}.")


def account_already_closed(account_id: str) -> AwsError:
    """Return the error for closing what is closed."""
    return AwsError("AccountAlreadyClosedException", f"Account {account_id} is closed already.")


def invalid_input(message: str) -> AwsError:
    """Return the error for input that the model allows and the service does not."""
    return AwsError("InvalidInputException", message)


def constraint_violation(message: str) -> AwsError:
    """Return the error for what the organization's rules forbid."""
    return AwsError("ConstraintViolationException", message)
