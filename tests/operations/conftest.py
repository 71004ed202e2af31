"""Fixtures for routine operations on practice hosts."""

import textwrap

import pytest

WRAPPER = "/usr/local/bin/docker"


@pytest.fixture
def wrap(practice):
    """Let a piece of shell run before every `docker` of a step that changes the host."""

    def put(shell):
        script = textwrap.dedent(f"""\
            #!/bin/sh
            if [ -n "$(cat /dev/shm/runbook.*/*.lock 2>/dev/null)" ]; then
            {shell}
            fi
            exec /usr/bin/docker "$@"
            """)
        practice.run(
            f"sudo tee {WRAPPER} >/dev/null <<'END'\n{script}END\nsudo chmod 755 {WRAPPER}"
        )

    yield put
    practice.run(f"sudo rm -rf {WRAPPER} /tmp/wrapped")
