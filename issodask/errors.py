"""The errors that are told in a single line, which says what was found, what was needed and what to do."""


class InputError(ValueError):
    """Input or settings that can't be used; the command line prints the message and exits with code 2."""


class AwayError(InputError):
    """A store that does not answer just now, which a run waits for; `is_final`: it was waited for already."""

    is_final = False


class LostError(RuntimeError):
    """What a run depends on is gone; run again, it goes on where it stopped. The command line exits with code 75."""


class HostLostError(LostError):
    """A worker that kept something is gone, and what it kept; others can begin again from what the driver knows."""
