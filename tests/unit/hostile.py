"""Names that whoever may write in a directory may give to a file there."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

PIECES = [
    *(
        b"\n",
        b"\t",
        b"\r",
        b"\x1b[2J",
        b" ",
        b"'",
        b'"',
        b"\\",
        b"$(id)",
        b"`id`",
        b"-",
        b"--",
        b"*",
    ),
    *(b"?", b"{{ x }}", b"\xff", b"\xc3", b";", b"|", b"..", b".log", b".dump", b"0:0"),
]
NAMES = st.one_of(
    st.binary(min_size=1, max_size=240),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map(b"".join),
).filter(lambda name: b"/" not in name and b"\0" not in name)


@contextmanager
def directories():
    """Make a directory that is meant, and one beside it that is not."""
    with tempfile.TemporaryDirectory() as top:
        both = Path(top, "meant"), Path(top, "other")
        for path in both:
            path.mkdir()
        yield both
