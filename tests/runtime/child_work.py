"""What children do in the tests: `python -m tests.runtime.child_work HOW`; how is a word, or a path to write to."""

import os
import subprocess
import sys
import time
from pathlib import Path

from issodask.runtime.children import end_group, end_with_parent


def main(how):
    end_with_parent(end_group)
    if how == "says":
        print("one\ntwo", flush=True)
    elif how == "fails":
        print("what went wrong", file=sys.stderr, flush=True)
        sys.exit(3)
    elif how == "crashes":
        os.abort()
    elif how == "grows":
        held = bytearray(300_000_000)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(1)  # whoever looks now and then sees it
    else:
        sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(how).write_text(f"{os.getpid()} {sleeper.pid}")
        time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1])
