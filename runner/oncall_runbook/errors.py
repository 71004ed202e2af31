"""What can go wrong below the command line; only `cli` turns these into exit codes."""


class RunbookError(Exception):
    """The tool or its surroundings broke; the text is one line for the user."""


class BadInputError(RunbookError):
    """The user asked for something that cannot be; the text says what to do instead."""


class NothingMatchedError(RunbookError):
    """What was asked for is well-formed, but there is no such host or run."""


class RefusedError(RunbookError):
    """What was asked for is never done, or not any more; nothing has changed."""
