"""Secrets that are planted, and searched for in all that a run shows and keeps."""

import base64
import binascii
import contextlib
import os
import re
import secrets
from pathlib import Path

COMPOSE = "/srv/school_mgmt/docker-compose.yml"
QUICK = ["-e", "incident_samples=1"]  # how long a cure holds is not what is asked here


class LeakError(AssertionError):
    """A canary stands where it may not."""


class Canaries(dict):
    """A secret under a name, unlike any other text, whose every piece can be searched for."""

    def __missing__(self, name):
        self[name] = f"canary{secrets.token_hex(8)}"
        return self[name]

    def found_in(self, text):
        """Names of the canaries in a text, also where it holds them as base64 (the channel)."""
        return sorted(name for name, value in self.items() if value in text + decoded(text))


def decoded(text):
    found = []
    for run in re.findall(r"[A-Za-z0-9+/]{24,}={0,2}", text):
        try:
            found.append(base64.b64decode(run, validate=True).decode("utf-8", "replace"))
        except binascii.Error:
            continue
    return "\n".join(found)


def no_leaks(canaries, places):
    found = {place: canaries.found_in(text) for place, text in places.items()}
    if leaks := {place: names for place, names in found.items() if names}:
        raise LeakError(leaks)


def files_below(*directories):
    """Every file with its content, but for another run's that is gone while we look."""
    found = {}
    for folder, _, names in (place for top in directories for place in os.walk(top)):
        for path in (Path(folder, name) for name in names):
            with contextlib.suppress(OSError):
                found[str(path)] = path.read_text(errors="replace") if path.is_file() else ""
    return found


def outputs_of(ran):
    """Both streams of finished runs by name, each by its own."""
    return {
        f"{name} {end}": getattr(ran[name], end) for name in ran for end in ("stdout", "stderr")
    }


def say_in(practice, container, text):
    """Let a container say this, from outside: its own output is what Docker keeps as its log."""
    encoded = base64.b64encode(text.encode()).decode()
    inside = f"docker exec -i {container} sh -c 'cat >/proc/1/fd/1'"
    practice.run(f"echo {encoded} | base64 -d | {inside}")
