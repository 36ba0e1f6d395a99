"""What the process does about its memory: the collector is told what stays, and what is free goes back.

Both are measures against a long-lived process that sees bursts; neither changes what the program computes.
"""

import ctypes
import gc
from collections.abc import Callable


def settle() -> None:
    """What has been loaded stays; the collector needs to look only at what requests leave, and less often.

    A parsed review is some hundred containers without cycles: at the default threshold of 700 the collector would run
    several times in each request and find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def trimmer() -> Callable[[], None]:
    """Gives free memory back to the system; does nothing where the C library needs no telling.

    glibc keeps the buffers of closed TLS connections (a quarter of a MiB each) in fragments: without this, every burst
    of connections leaves a process larger than the one before.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # musl, macOS
        return lambda: None
    return lambda: trim(0)
