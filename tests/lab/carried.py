"""Runs that another machine plays: what is asked of them, and what they leave."""

import json
import subprocess
import time

from bastion import PROGRAM

NAMES = [f"light-{number}" for number in range(1, 13)]
PASSWORD = "correct horse battery staple"
# A question that is answered after a quarter of an hour.
SLOW = {"run: cat": "timeout: 999\n    run: sleep 987; cat"}


def told(ran):
    """What a document says, but for what differs from one look to the next."""
    document = json.loads(json.dumps(ran.document))
    for name in ("run", "started", "finished", "seconds"):
        del document[name]
    for host in document["hosts"].values():
        for finding in host["findings"].values():
            finding.pop("ms", None)
    del document["order"]["through"]
    return document


def in_vault(place, text):
    """Encrypt a text as ansible-vault does; return it as YAML has it."""
    (place / "password").write_text(PASSWORD)
    words = ["encrypt_string", "--vault-password-file", place / "password", text]
    done = subprocess.run(
        [PROGRAM.with_name("ansible-vault"), *words], capture_output=True, text=True, check=True
    )
    return done.stdout


def wait_for(what):
    end = time.monotonic() + 60
    while not what() and time.monotonic() < end:
        time.sleep(0.1)


def answer_slowly(place):
    """Let the card beside an inventory ask what is answered after a quarter of an hour."""
    card = place / "incidents/light_off.yml"
    for quick, slow in SLOW.items():
        card.write_text(card.read_text().replace(quick, slow))


def questions(light):
    """What goes on on hosts for the slow question."""
    return [line for line in light.run("ps -eo args").splitlines() if line == "sleep 987"]


def waits_for_hosts(start, light, place, machine):
    """Start a diagnosis through a machine that waits for the answers of two hosts."""
    answer_slowly(place)
    process = start(
        *("diagnose", "light_off", "--through", machine, "--cards", place / "incidents"),
        *("-i", place / "hosts.yml", "-l", "light-1,light-2"),
    )
    wait_for(lambda: len(questions(light)) == 2)
    assert len(questions(light)) == 2
    return process
