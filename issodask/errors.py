"""The errors that are told in a single line, which says what was found, what was needed and what to do."""

import traceback


class _SaysAll(BaseException):
    """An error whose message says all there is to know, wherever in the program it was found."""

    def _render_traceback_(self) -> list[str]:
        """What IPython and notebooks show: the lines of whoever called, none of the program's, and the message."""
        ours = __file__.removesuffix("errors.py")
        calls = [
            each
            for each in traceback.extract_tb(self.__traceback__)
            if not each.filename.startswith(ours) and "-packages" not in each.filename
        ]
        return [*traceback.format_list(calls), f"{type(self).__name__}: {self}"]


class InputError(_SaysAll, ValueError):
    """Input or settings that can't be used; the command line prints the message and exits with code 2."""


class AwayError(InputError):
    """A store that does not answer just now, which a run waits for; `is_final`: it was waited for already."""

    is_final = False


class LostError(_SaysAll, RuntimeError):
    """What a run depends on is gone; run again, it goes on where it stopped. The command line exits with code 75."""


class HostLostError(LostError):
    """A worker that kept something is gone, and what it kept; others can begin again from what the driver knows."""


class Stopped(_SaysAll, KeyboardInterrupt):
    """Somebody pressed Ctrl-C; the message says how to go on."""
