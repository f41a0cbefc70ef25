"""What can be wrong with a policy."""

from hedgerow.kernel import CallerError


class MalformedPolicyError(CallerError):
    """The text is not an AWS IoT policy; `place` says where, as in `Statement[0].Action`."""

    code = "MalformedPolicy"

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}" if place else problem)
        self.place = place
        self.problem = problem
