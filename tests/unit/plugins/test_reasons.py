"""Which line of what a program printed says why it failed."""

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils.reasons import lack, last, reason

DOCKER_PORT = f"""\
Error response from daemon: failed to set up container networking: driver failed programming \
external connectivity on endpoint school_mgmt_backend ({"0123456789abcdef" * 4}): Bind for \
0.0.0.0:5007 failed: port is already allocated
Error: failed to start containers: school_mgmt_backend
"""
COMPOSE_NETWORK = """\
 Network school_mgmt_school_mgmt_network  Creating
 Network school_mgmt_school_mgmt_network  Error
failed to create network school_mgmt_school_mgmt_network: Error response from daemon: could not \
find an available, non-overlapping IPv4 address pool among the defaults to assign to the network
"""
CURL_EXPIRED = """\
curl: (60) SSL certificate problem: certificate has expired
More details here: https://curl.se/docs/sslcerts.html

curl failed to verify the legitimacy of the server and therefore could not
establish a secure connection to it. To learn more about this situation and
how to fix it, please visit the webpage mentioned above.
"""
CURL_METER = """\
  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current
                                 Dload  Upload   Total   Spent    Left  Speed
  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0
curl: (7) Failed to connect to localhost port 5007 after 0 ms: Couldn't connect to server
"""
PSQL_COLLATION = """\
WARNING:  database "school_mgmt" has a collation version mismatch
DETAIL:  The database was created using collation version 2.36, but the system provides 2.41.
HINT:  Rebuild all objects in this database that use the default collation and run ALTER DATABASE.
ERROR:  relation "users" does not exist
LINE 1: SELECT FROM users
"""
POSTGRES_VERSION = """\
FATAL:  database files are incompatible with server
DETAIL:  The data directory was initialized by PostgreSQL version 16, which is not compatible.
"""
NODE_CHAIN = """\
error: column p.class_name does not exist
    at async listStudents (/app/src/students.js:12:3)
TypeError: Cannot read properties of undefined (reading 'rows')
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            DOCKER_PORT,
            "Error response from daemon: failed to set up container networking: driver failed"
            " programming external connectivity on endpoint school_mgmt_backend: Bind for"
            " 0.0.0.0:5007 failed: port is already allocated",
        ),
        (CURL_EXPIRED, "curl: (60) SSL certificate problem: certificate has expired"),
        (CURL_METER, CURL_METER.splitlines()[-1]),
        (PSQL_COLLATION, 'ERROR:  relation "users" does not exist'),
        (POSTGRES_VERSION, "FATAL:  database files are incompatible with server"),
        (NODE_CHAIN, "error: column p.class_name does not exist"),
        ("took two samples\nit is over\n", "it is over"),
        (
            "100 sessions: 100 active\nits sessions are still there\n",
            "its sessions are still there",
        ),
        ("LOG:  ready\nbye\n", "LOG:  ready"),
        ("exit status 1\n", ""),
        ("", ""),
    ],
)
def test_the_first_line_that_names_a_cause_is_the_reason(text, expected):
    assert reason(text) == expected


def test_what_could_not_be_done_says_so_last():
    said = "the present database cannot be dumped\nnothing restored: it could not be kept\n"
    assert last("WARNING: old client\n", said) == "nothing restored: it could not be kept"
    assert last("", "exit status 1\n") == ""


def test_a_step_of_compose_is_no_reason():
    assert "non-overlapping IPv4 address pool" in reason(COMPOSE_NETWORK)


def test_the_next_text_counts_where_the_first_says_nothing():
    assert reason("WARNING: old client\n", "no route to host\n") == "no route to host"


@pytest.mark.parametrize("why", [reason, last])
@pytest.mark.parametrize(
    "said",
    [
        f"Error response from daemon: container {'0123456789abcdef' * 4} init process is not"
        " running: failed precondition",
        "OCI runtime exec failed: exec failed: cannot exec in a stopped container: unknown",
        "OCI runtime exec failed: exec failed: unable to start container process: error executing"
        " setns process: exit status 1: unknown",
    ],
)
def test_a_container_that_ends_while_it_is_asked_is_told_in_words(why, said):
    assert why(said) == "its container ended while it was asked"


@pytest.mark.parametrize("why", [reason, last])
def test_an_id_of_64_digits_hides_no_words(why):
    said = f"Error response from daemon: container {'0123456789abcdef' * 4} is paused"
    assert why(said) == "Error response from daemon: container is paused"


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        ("value.slots < 3", {}, "the answer does not say slots"),
        ("value.slots < 3", {"slots": None}, "the answer does not say slots"),
        ("value.api.state == 'up'", {"api": {}}, "the answer does not say api.state"),
        ("value.slots < 3", None, "there is no value"),
        ("value.slots < 3", {"slots": "x"}, "the answer has another form than expected"),
    ],
)
def test_what_an_answer_lacks_is_said_in_words(expression, value, expected):
    assert lack(expression, value) == expected
