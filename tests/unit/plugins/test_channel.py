"""The channel against a real shell: many questions, one answer, nothing left behind."""

import os
import re
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils import channel
from ansible_collections.oncall.runbook.plugins.plugin_utils.cards import ROLES
from ansible_collections.oncall.runbook.plugins.plugin_utils.channel import (
    Answer,
    Question,
    Shell,
    answers,
    new_token,
    script,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]


def ask(*questions, shell="sh", **setting):
    token = new_token()
    text = script(questions, token, Shell(**setting))
    done = subprocess.run(
        [shell], input=text.encode(), capture_output=True, check=False, env=marked()
    )
    return answers(done.stdout.decode(), questions, token)


def marked():
    return {**os.environ, "RUNBOOK_CHANNEL": new_token()}


def ask_one(command, **options):
    timeout = options.pop("timeout", 5)
    limit = options.pop("limit", 32768)
    return ask(Question("it", command, timeout, limit), **options)["it"]


def alive(mark):
    return subprocess.run(["pgrep", "-f", mark], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_streams_and_exit_status_stay_apart(shell):
    answer = ask_one("echo out; echo err >&2; exit 3", shell=shell)
    assert (answer.rc, answer.output, answer.stderr, answer.timed_out) == (
        3,
        "out\n",
        "err\n",
        False,
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_questions_run_side_by_side(tmp_path, shell):
    """Each waits until all twenty are there: one after another, none would ever end."""
    here = f"$(ls {tmp_path} | wc -l)"
    meet = f"mktemp -d {tmp_path}/XXXXXX >&2; until [ {here} -eq 20 ]; do sleep 0.1; done"
    found = ask(*[Question(f"q{n}", meet, 20) for n in range(20)], shell=shell)
    assert [answer.rc for answer in found.values()] == [0] * 20


@pytest.mark.parametrize("shell", SHELLS)
def test_deadline_ends_the_command_and_keeps_what_it_said(shell):
    answer = ask_one("echo early; sleep 61.1", timeout=1, shell=shell)
    assert answer.timed_out
    assert answer.output == "early\n"
    assert not alive("sleep 61.1")


@pytest.mark.parametrize("shell", SHELLS)
def test_deadline_ends_the_children_too(shell):
    answer = ask_one("sleep 61.2 & sleep 61.2", timeout=1, shell=shell)
    assert answer.timed_out
    assert not alive("sleep 61.2")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_child_in_a_session_of_its_own_does_not_survive(shell):
    answer = ask_one("setsid sleep 61.3 & echo gone", timeout=1, shell=shell)
    assert (answer.rc, answer.output) == (0, "gone\n")
    assert not alive("sleep 61.3")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_starts_more_and_more_is_ended_whole(shell):
    """Copies of the shell bear no mark of their question; each is one's child, until that ends."""
    more = (
        "more() { [ $1 -eq 0 ] || { more $(($1 - 1)) & more $(($1 - 1)) & }; sleep 61.7; }; more 5"
    )
    assert ask_one(more, timeout=1, shell=shell).timed_out
    assert not alive("sleep 61.7")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_loop_of_the_shells_own_is_ended(shell):
    mark = marked()
    token = new_token()
    text = script(
        [Question("it", "( while :; do :; done ) & while :; do :; done", 1)], token, Shell()
    )
    done = subprocess.run([shell], input=text.encode(), capture_output=True, check=False, env=mark)
    assert answers(done.stdout.decode(), [Question("it", "", 1)], token)["it"].timed_out
    nothing_is_left(mark)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_cannot_be_found_does_not_hold_up_the_answers(shell):
    """No mark, nobody's child, and the answer's pipe in its hands."""
    hide = "(setsid env -i sleep 61.8 &); echo gone"
    try:
        found = ask(Question("it", hide, 1), Question("other", "echo here", 1), shell=shell)
        assert found["other"].output == "here\n"
        assert found["it"].rc == 0
        assert alive("sleep 61.8")
    finally:
        subprocess.run(["pkill", "-f", "sleep 61.8"], check=False)


def bearing(environment):
    mark = f"RUNBOOK_CHANNEL={environment['RUNBOOK_CHANNEL']}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            found += [environ] * (mark in environ.read_bytes())
    return found


def nothing_is_left(environment):
    """The channel's own clock lives up to a second longer; the suite's deadline ends the wait."""
    while bearing(environment):
        time.sleep(0.05)


def test_a_hung_command_does_not_hold_up_the_others():
    found = ask(Question("hung", "sleep 61.4", 2), Question("quick", "echo here", 2))
    assert found["hung"].timed_out
    assert found["quick"] == Answer(0, found["quick"].ms, "here\n")


@pytest.mark.parametrize("copy", ["", "SSH_ORIGINAL_COMMAND", "SUDO_COMMAND"])
def test_nothing_survives_when_nobody_listens_any_more(copy, tmp_path):
    """Whatever the environment holds a copy of the command in."""
    token = new_token()
    hung = "( while :; do :; done ) & sleep 61.5"
    told = f"touch {tmp_path}/abandoned"
    text = script([Question("it", hung, 60)], token, Shell(), abandoned=told)
    mark = marked()
    if copy:
        mark[copy] = f"env RUNBOOK_CHANNEL={mark['RUNBOOK_CHANNEL']} sh"
    process = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=mark)
    process.stdin.write(text.encode())
    process.stdin.close()
    while not alive("sleep 61.5"):
        time.sleep(0.05)
    process.stdout.close()
    process.wait(timeout=30)
    nothing_is_left(mark)
    assert not alive("sleep 61.5")
    while not (tmp_path / "abandoned").exists():
        time.sleep(0.05)


def left_alone(command, timeout, tmp_path, shell, noticed=2.5):
    """Begin what must not stop halfway, and stop listening; what it says then is in `abandoned`."""
    (tmp_path / "go").unlink(missing_ok=True)
    told = f"ls {tmp_path} >{tmp_path}/abandoned"
    asked = [Question("it", command, timeout)]
    text = script(asked, new_token(), Shell(), whole=True, abandoned=told)
    mark = marked()
    process = subprocess.Popen([shell], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=mark)
    process.stdin.write(text.encode())
    process.stdin.close()
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    process.stdout.close()
    time.sleep(noticed)  # longer than it takes to notice
    (tmp_path / "go").touch()
    process.wait(timeout=30)
    nothing_is_left(mark)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_must_not_stop_halfway_goes_on_when_nobody_listens_any_more(tmp_path, shell):
    command = f"""touch {tmp_path}/begun; until [ -e {tmp_path}/go ]; do sleep 0.1; done
        yes said | head -n 100000; yes told | head -n 100000 >&2; touch {tmp_path}/ended"""
    left_alone(command, 20, tmp_path, shell)
    assert (tmp_path / "ended").exists()
    assert "ended" in (tmp_path / "abandoned").read_text(), "it is told when that has ended"


@pytest.mark.parametrize("shell", SHELLS)
def test_what_ends_before_it_is_noticed_that_nobody_listens_is_abandoned_too(tmp_path, shell):
    command = f"touch {tmp_path}/begun; until [ -e {tmp_path}/go ]; do sleep 0.01; done"
    left_alone(command, 20, tmp_path, shell, noticed=0)
    assert (tmp_path / "abandoned").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_heard_is_not_abandoned(tmp_path, shell):
    asked = [Question("it", "sleep 1.2; echo said", 20)]
    text = script(asked, new_token(), Shell(), whole=True, abandoned=f"touch {tmp_path}/abandoned")
    subprocess.run([shell], input=text, text=True, capture_output=True, check=True, env=marked())
    assert not (tmp_path / "abandoned").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_even_that_ends_at_its_deadline(tmp_path, shell):
    command = f"touch {tmp_path}/begun; sleep 61.9; touch {tmp_path}/ended"
    left_alone(command, 3, tmp_path, shell)
    assert not (tmp_path / "ended").exists()
    assert (tmp_path / "abandoned").exists()
    assert not alive("sleep 61.9")


def test_a_megabyte_is_cut_and_says_so():
    answer = ask_one("yes 0123456789 | head -c 1000000; echo end >&2; exit 4", limit=5000)
    assert (len(answer.output), answer.cut, answer.rc, answer.stderr) == (5000, True, 4, "end\n")


def test_output_of_exactly_the_limit_is_not_cut():
    answer = ask_one("printf 12345", limit=5)
    assert (answer.output, answer.cut) == ("12345", False)


def test_bytes_that_are_no_text_do_not_break_it():
    answer = ask_one(r"printf '\377\376\000ok'")
    assert answer.output == "\ufffd\ufffd\x00ok"


def test_what_looks_like_our_framing_is_only_output():
    token = new_token()
    questions = [Question("it", f"echo {token} it end 0 1; echo {token} - done; exit 5")]
    done = subprocess.run(
        ["sh"], input=script(questions, token, Shell()).encode(), capture_output=True, check=True
    )
    answer = answers(done.stdout.decode(), questions, token)["it"]
    assert (answer.rc, answer.output) == (5, f"{token} it end 0 1\n{token} - done\n")


def test_a_login_banner_is_passed_over():
    questions = [Question("it", "echo fine")]
    token = new_token()
    done = subprocess.run(
        ["sh"], input=script(questions, token, Shell()).encode(), capture_output=True, check=True
    )
    banner = "Welcome to it end 0 3\n\n"
    assert answers(banner + done.stdout.decode(), questions, token)["it"].output == "fine\n"


def test_an_answer_that_broke_off_is_no_answer():
    questions = [Question("it", "true"), Question("other", "true")]
    found = answers("tok it out aGFsZg==\ntok other end 0 7\n", questions, "tok")
    assert found == {"it": Answer(), "other": Answer(0, 7)}


@pytest.mark.parametrize("keep", range(0, 2000, 97))
def test_a_script_that_arrives_in_part_runs_nothing(tmp_path, keep):
    target = tmp_path / "ran"
    text = script([Question("it", f"touch {target}")], "tok", Shell())
    assert keep < len(text)
    subprocess.run(
        ["sh"], input=text[: -keep or -1].encode()[:-1], capture_output=True, check=False
    )
    if keep > 20:  # the very last line starts it
        assert not target.exists()


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=80))
@settings(max_examples=40)
def test_values_never_run_as_code(value):
    answer = ask_one('printf %s "$VALUE"', environment={"VALUE": value})
    assert answer.output == value


@pytest.mark.parametrize(
    "value",
    [
        "$(touch {})",
        "`touch {}`",
        "'; touch {}; '",
        '"; touch {}; "',
        "\n touch {}\n",
        "{{{{ 7*7 }}}}",
    ],
)
def test_quotes_and_dollars_in_values_are_just_that(tmp_path, value):
    target = tmp_path / "ran"
    value = value.format(target)
    answer = ask_one('printf %s "$VALUE"', environment={"VALUE": value})
    assert (answer.output, target.exists()) == (value, False)


def test_library_words_are_there_and_a_broken_pipe_stays_quiet():
    answer = ask_one("greet | head -n 1", library="greet() { yes hello; }")
    assert (answer.rc, answer.output, answer.stderr) == (0, "hello\n", "")


def test_words_of_its_own_are_a_questions_alone():
    own = [Question(f"q{n}", "say", words=f"say() {{ echo {n}; }}") for n in range(2)]
    found = ask(*own, Question("none", "say"), library="say() { echo all; }")
    assert [answer.output for answer in found.values()] == ["0\n", "1\n", "all\n"]


def test_what_each_begins_with_may_refuse_it():
    refuse = {"library": "need() { echo nothing there >&2; exit 69; }", "before": "need"}
    answer = ask_one("echo here", **refuse)
    assert (answer.rc, answer.output, answer.stderr) == (69, "", "nothing there\n")


def test_a_command_sees_nothing_of_the_channels():
    answer = ask_one('echo "${token-}${id-}${number-}${cap-}${asked-}${start-}$-"', shell="dash")
    assert answer.output == "s\n"


def test_no_word_of_the_collection_has_a_name_of_the_channels():
    """They are read by the channel's own shell."""
    name = re.compile(r"^(\w+)\(\)", re.MULTILINE)
    taken = set(name.findall(channel._CHANNEL.read_text()))
    assert {"ask", "run"} <= taken
    for path in (*ROLES.glob("*/files/*.sh"), channel._CHANNEL.with_name("lock.sh")):
        assert not taken & set(name.findall(path.read_text())), path


def test_a_prompt_gets_no_answer_instead_of_our_script():
    assert ask_one("cat; read -r line || echo nothing").output == "nothing\n"


def test_what_all_want_to_know_is_asked_once(tmp_path):
    first = Question("SEEN", f"echo x >> {tmp_path}/asked; greet; exit 3", 5)
    questions = [Question(f"q{n}", 'echo "$SEEN $SEEN_STATUS"') for n in range(3)]
    found = ask(*questions, library="greet() { echo hello; }", learn=first)
    assert [answer.output for answer in found.values()] == ["hello 3\n"] * 3
    assert (tmp_path / "asked").read_text() == "x\n"


def test_an_early_question_does_not_wait_for_it():
    early = Question("early", 'echo "${SEEN-nothing} yet"', early=True)
    found = ask(
        Question("late", 'echo "$SEEN"'), early, learn=Question("SEEN", "sleep 0.2; echo x")
    )
    assert [found[id].output for id in ("early", "late")] == ["nothing yet\n", "x\n"]


def test_what_all_want_to_know_has_a_deadline_too():
    found = ask_one('echo "$SEEN_STATUS"', learn=Question("SEEN", "sleep 61.6", 1))
    assert found.output == "137\n"
    assert not alive("sleep 61.6")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_may_be_longer_than_an_argument(shell):
    """Linux takes no argument over 128 KiB; a restore's words were more than that."""
    words = "".join(f"word_{n}() {{ echo {n}; }}\n" for n in range(8000))
    learn = Question("KNOWN", "word_4321")
    question = Question("it", 'echo "$KNOWN"; word_7999; cat')
    answer = ask(question, library=words, learn=learn, shell=shell)["it"]
    assert (answer.rc, answer.output, answer.stderr) == (0, "4321\n7999\n", "")


def test_a_script_is_nobodys_to_read_in_the_list_of_processes():
    answer = ask_one(": canary-in-a-script; ps -eo args | grep -c canary-in-a-scrip[t]")
    assert answer.output == "0\n"
