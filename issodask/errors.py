"""The one error that a user can mend: a single line that says what was found, what was needed and what to do."""


class InputError(ValueError):
    """Input or settings that can't be used; the command line prints the message and exits with code 2."""
