"""Twenty probes cost about what the slowest costs: ratios within one run, on this machine."""

import statistics
import subprocess
import time

from ansible_collections.oncall.runbook.plugins.plugin_utils.channel import (
    Question,
    Shell,
    answers,
    script,
)

ROUNDS = 7


def seconds(count):
    questions = [Question(f"q{n}", "sleep 1") for n in range(count)]
    begin = time.perf_counter()
    text = script(questions, "token", Shell())
    done = subprocess.run(["sh"], input=text, capture_output=True, text=True, check=True)
    taken = time.perf_counter() - begin
    found = answers(done.stdout, questions, "token")
    assert [answer.rc for answer in found.values()] == [0] * count
    return taken


def test_twenty_probes_against_one():
    ratios = [seconds(20) / seconds(1) for _ in range(ROUNDS)]
    print(f"\ntwenty probes against one: {statistics.median(ratios):.2f}")
    assert statistics.median(ratios) <= 1.3
