"""A terminal's recording: commands that really ran, what they printed, a picture that plays it."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

COLUMNS = 80
_NAME = "first-steps"
# Seconds for which nothing moves: after a line appears, and before the next command.
_LINE, _PAUSE, _LETTER = 0.05, 1.5, 0.03
# A picture for any page: no script, no font from elsewhere; without motion all is there.
_PICTURE = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>First steps in a terminal</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
 font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
/* times */
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}</defs>
{chrome}<g transform="translate({terminal_x}, {terminal_y})"
 clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""
_MOVING = """\
@keyframes appear {{ from {{ opacity: 0 }} to {{ opacity: 1 }} }}
@media (prefers-reduced-motion: no-preference) {{
{rules}
}}"""


@dataclass
class Recording:
    """What was typed in a directory, and what it printed, line by line with its seconds."""

    place: Path
    environment: dict[str, str]
    lines: list[tuple[float, Text]] = field(default_factory=list)
    _now: float = 0.5

    def type(self, command, *, shown=None):
        """Run a shell command on a terminal of 80 columns; returns exit status and plain output."""
        self._add(Text.assemble(("$ ", "bold green"), (shown or command, "bold")))
        self._now += len(shown or command) * _LETTER
        began = time.monotonic()
        status, printed = _on_a_terminal(command, self.place, self.environment)
        self._now += time.monotonic() - began
        text = Text.from_ansi(printed)
        narrow = Console(width=COLUMNS)
        for line in text.split("\n"):
            for piece in line.wrap(narrow, COLUMNS):
                self._add(piece)
        self._now += _PAUSE
        return status, text.plain

    def _add(self, line):
        self.lines.append((self._now, line))
        self._now += _LINE

    def picture(self):
        """All of it as an SVG, whose lines appear when they did."""
        console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
        for _at, line in self.lines:
            console.print(line, soft_wrap=True)
        svg = console.export_svg(
            title="", theme=SVG_EXPORT_THEME, code_format=_PICTURE, unique_id=_NAME
        )
        rules = "\n".join(
            f'[clip-path="url(#{_NAME}-line-{number})"] {{ animation: appear 10ms {at:.2f}s both }}'
            for number, (at, _line) in enumerate(self.lines)
        )
        return svg.replace("/* times */", _MOVING.format(rules=rules))


def _on_a_terminal(command, place, environment):
    """Run it with its standard output on a terminal; what it says meanwhile comes first."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 200, COLUMNS, 0, 0))
    with subprocess.Popen(
        ["sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=subprocess.PIPE,
        cwd=place,
        env={**environment, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)},
    ) as process:
        os.close(its)
        printed = _read(ours)
        said = process.stderr.read()
    os.close(ours)
    text = (said + printed).decode().replace("\r\n", "\n")
    return process.returncode, text.rstrip("\n")


def _read(terminal):
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # nobody holds its other end any more
            piece = b""
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def same_but_for_the_moment(picture):
    """What of a picture is the same whenever it is made: no time, figure, id or width."""
    text = re.sub(r"/\* times \*/|@keyframes.*?\n}", "", picture, flags=re.DOTALL)
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    plain = "".join(shown).replace("&#160;", " ")
    plain = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN", plain)
    plain = re.sub(r"(less than a|about a|\d+) (second|minute)s?", "N seconds", plain)
    plain = re.sub(r"\d+(\.\d+)?", "N", plain)
    # What a busy machine adds: that work stood still for a moment.
    return re.sub(r"(·\s+)?N more findings?:\s+runbook\s+runs\s+show\s+last", "", plain).split()
