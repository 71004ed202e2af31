"""The way from users to services: recorded facts, through the shell and awk that judge them."""

import json
import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards
from shells import PROGRAMS, SHELL, awk

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "roles"
STACK = ROLES / "stack" / "files" / "stack.sh"
PATH = ROLES / "application_not_responding" / "files" / "path.sh"
OPERATIONS = ROLES / "operation" / "files" / "operations.sh"
SERVICES = ROLES / "service_degraded" / "files" / "services.sh"
CERTIFICATES = ROLES / "stack" / "files" / "certificates.sh"
PARTS = {
    "STACK_BACKEND": "backend",
    "STACK_FRONTEND": "frontend",
    "STACK_DATABASE": "postgres",
    "STACK_BLOCKCHAIN": "blockchain",
    "STACK_CACHE": "redis",
}
COMPOSE = """\
services:
  backend:
    ports:
      - "5007:5007"
  frontend:
    ports: ["${WEB_PORT:-80}:80"]
"""


@pytest.fixture
def shell(tmp_path):
    """Run shell functions in dash, with programs of the test's own before those of the host."""
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    programs = tmp_path / "bin"
    programs.mkdir()

    def run(commands, *libraries, programs_said=(), **environment):
        for name, script in dict(programs_said).items():
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        words = "".join(f". {library}\n" for library in (STACK, *libraries))
        return subprocess.run(
            [*SHELL, "-c", words + commands],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                **PROGRAMS,
                **PARTS,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "LC_ALL": "C",
                "STACK_DIR": str(tmp_path),
                "SERVICES_FRESH_SECONDS": "300",
                "SERVICES_CERTIFICATE_DAYS": "14",
                "STACK_SERVICE_URLS": "",
                "STACK_BACKEND_URL": "http://localhost:5007",
                "STACK_HEALTH_STATUSES": "200",
                "STACK_REQUEST_HEADERS": "",
                "STACK_DATABASES": "postgres mysql mysqld mariadb",
                "STACK_SERVERS": "postgres mysql mysqld mariadb nginx hardhat",
                "STACK_CLIENTS": "mysql mysqldump pg_dump",
                **environment,
            },
        )

    return run


# --- why a request has no answer ----------------------------------------------------------------

# Exit status and words of curl and wget, and what people are told.
FAILURES = [
    (
        7,
        "curl: (7) Failed to connect to localhost port 5007 after 0 ms: Could "
        "not connect to server",
        "connection to localhost:5007 refused",
    ),
    (
        7,
        "curl: (7) Failed to connect to 10.0.0.9 port 5007: No route to host",
        "no route to localhost:5007",
    ),
    (6, "curl: (6) Could not resolve host: localhost", "could not resolve localhost"),
    (
        28,
        "  % Total    % Received % Xferd\n  0     0    0     0\n"
        "curl: (28) Operation timed out after 3001 milliseconds with 0 bytes received",
        "localhost:5007: timed out after 3 s",
    ),
    (
        52,
        "curl: (52) Empty reply from server",
        "localhost:5007 closed the connection without an answer",
    ),
    (
        56,
        "curl: (56) Recv failure: Connection reset by peer",
        "the connection to localhost:5007 broke off",
    ),
    (
        35,
        "curl: (35) OpenSSL/3.0.15: error:0A00010B:SSL routines::wrong version number",
        "no TLS connection with localhost:5007: OpenSSL/3.0.15: "
        "error:0A00010B:SSL routines::wrong version number",
    ),
    (
        60,
        "curl: (60) SSL certificate problem: certificate has expired\n"
        "More details here: https://curl.se/docs/sslcerts.html\n\nTo learn "
        "more about this situation and\n"
        "how to fix it, please visit the webpage mentioned above.",
        "the certificate of localhost has expired",
    ),
    (
        60,
        "curl: (60) SSL certificate problem: certificate is not yet valid",
        "the certificate of localhost is not yet valid",
    ),
    (
        60,
        "curl: (60) SSL certificate problem: self-signed certificate",
        "the certificate of localhost is self-signed: no issuer that this host knows",
    ),
    (
        60,
        "curl: (60) SSL certificate problem: unable to get local issuer certificate",
        "the certificate of localhost is of an issuer that this host does not know",
    ),
    (
        60,
        "curl: (60) SSL: no alternative certificate subject name matches "
        "target host name 'localhost'",
        "the certificate is not for the name localhost",
    ),
    (
        4,
        "Connecting to localhost (localhost)|127.0.0.1|:5007... failed: Connection refused.",
        "connection to localhost:5007 refused",
    ),
    (4, "wget: unable to resolve host address 'localhost'", "could not resolve localhost"),
    (1, "wget: bad address 'localhost:5007'", "could not resolve localhost"),
    (
        1,
        "wget: can't connect to remote host (127.0.0.1): Connection refused",
        "connection to localhost:5007 refused",
    ),
    (124, "", "localhost:5007: timed out after 3 s"),
    (
        5,
        "ERROR: cannot verify localhost's certificate, issued by 'CN=x':\n  "
        "Issued certificate has expired.",
        "the certificate of localhost has expired",
    ),
]


@pytest.mark.parametrize(("status", "said", "told"), FAILURES)
def test_a_failed_request_says_why_in_plain_words(shell, status, said, told):
    done = shell(
        'no_answer "$STATUS" "$SAID" 3 http://user:x@localhost:5007/health?a=b',
        STATUS=str(status),
        SAID=said,
    )
    assert (done.stdout, done.stderr) == (told + "\n", "")


@pytest.mark.parametrize(
    ("curl", "code", "told"),
    [
        ("printf 'fine\\n<code>200</code>'", "200", ""),
        (
            "echo 'curl: (7) Could not connect' >&2; printf '\\n<code>000</code>'; exit 7",
            "000",
            "connection to localhost:5007 refused\n",
        ),
        (
            "printf '<html><head><title>502 Bad Gateway</title></head></html>\\n<code>502</code>'",
            "502",
            "502 Bad Gateway\n",
        ),
        (
            'printf \'{"error":"INTERNAL_ERROR"}\\n<code>500</code>\'',
            "500",
            '{"error":"INTERNAL_ERROR"}\n',
        ),
        ("printf '\\n<code>503</code>'", "503", "answered 503\n"),
    ],
)
def test_a_request_prints_its_status_and_only_on_the_other_stream_why(shell, curl, code, told):
    done = shell("http 3 http://localhost:5007/health", programs_said={"curl": curl})
    assert (done.stdout, done.stderr) == (code + "\n", told)


# --- what only explains an answer ---------------------------------------------------------------

# On a clock of the test's own: whatever may take time takes all that it may.
SLOW = {
    "curl": """
seconds=0 url= insecure= redirect=
while [ $# -gt 0 ]; do
    case $1 in
    -m) seconds=$2; shift ;;
    -k) insecure=yes ;;
    *redirect_url*) redirect=yes ;;
    http*) url=$1 ;;
    esac
    shift
done
takes "$seconds"
case $url,$insecure,$redirect in
http://localhost,,yes) echo https://localhost/ ;;
http://localhost,*) printf '\\n<code>301</code>' ;;
https://localhost:443,yes,*) printf '\\n<code>200</code>' ;;
https://localhost/,*) echo 'curl: (60) SSL certificate problem: self-signed certificate'; exit 60 ;;
*) echo 'curl: (28) Operation timed out'; exit 28 ;;
esac""",
    "timeout": """
[ "$1" != -s ] || shift 2
takes "$1"
exit 124""",
    "docker": """
case $1 in
container)
    takes 4
    printf 'backend {"name":"x","id":"a","state":"exited","exit_code":1,'
    echo '"oom_killed":false,"error":"","started":"2026-01-19T15:05:42Z"}'
    ;;
*) takes 60 ;;
esac""",
}


@pytest.mark.parametrize(
    ("probe", "word", "value"),
    [
        ("backend_state", "code", 0),
        ("frontend_state", "code", 200),
        ("frontend_state", "certificate", "unknown_issuer"),
        ("containers", "backend", "exited"),
    ],
)
def test_what_only_explains_never_keeps_an_answer_from_being_told(
    shell, tmp_path, probe, word, value
):
    asked = cards.library().probes
    clock = tmp_path / "clock"
    clock.write_text("0\n")
    takes = f'takes() {{ read -r now <{clock}; echo "$((now + $1 * 1000))" >{clock}; }}\n'
    done = shell(
        f"set_now() {{ read -r now <{clock}; }}\n{asked[probe]['run']}",
        CERTIFICATES,
        PATH,
        programs_said={name: takes + script for name, script in SLOW.items()},
        STACK_BACKEND_URL="http://localhost:5007",
        STACK_HEALTH_PATH="/health",
        STACK_FRONTEND_URL="http://localhost",
        PATH_API="/api/v1/health",
        STACK_CONTAINERS="a backend p Up 1 minute\t\t,5007,\nb frontend p Up 1 minute\t\t,80,443,\n"
        "-- others\n",
        STACK_CONTAINERS_STATUS="0",
    )
    told = json.loads(done.stdout)[word]
    assert (told["state"] if isinstance(told, dict) else told) == value
    assert int(clock.read_text()) <= (asked[probe]["timeout"] - 2) * 1000


def test_a_log_is_not_told_where_its_secrets_are_not_known(shell):
    done = shell(
        "echo postgres://u:hidden@db | without_secrets a", programs_said={"docker": "exit 124"}
    )
    assert done.stdout == ""


# --- where a page leads -------------------------------------------------------------------------

EXPIRED = "curl: (60) SSL certificate problem: certificate has expired"
UNKNOWN = "curl: (60) SSL certificate problem: unable to get local issuer certificate"
OTHER_NAME = "curl: (60) SSL: no alternative certificate subject name matches target host name"
LED = [
    # where port 80 leads, its published ports, what curl says there, days, and what is judged
    ("https://localhost/", ",80,443,", EXPIRED, -2, (0, "expired")),
    ("https://localhost:8443/", ",80,8443,", EXPIRED, -2, (0, "expired")),
    ("https://school.example/login", ",80,443,", EXPIRED, -2, (0, "expired")),
    ("https://school.example/", ",80,443,", "", 60, (200, "valid")),
    ("https://localhost/", ",80,443,", OTHER_NAME, 60, (200, "valid")),
    # Its users may know an issuer that this host does not.
    ("https://localhost/", ",80,443,", UNKNOWN, 60, (200, "unknown_issuer")),
    ("https://localhost/", ",80,443,", UNKNOWN, -2, (0, "expired")),
    ("https://localhost/", ",80,443,", EXPIRED, 0, (0, "expired")),
    ("https://localhost/", ",80,443,", "curl: (7) refused", 60, (0, "valid")),
    # Elsewhere: a port that it does not publish, a name that its certificate does not bear.
    ("https://localhost/", ",80,", EXPIRED, -2, (301, "none")),
    ("https://login.example/", ",80,443,", EXPIRED, -2, (301, "none")),
    ("http://localhost/app", ",80,443,", EXPIRED, -2, (301, "none")),
]
WEB = {
    "curl": """
case $* in
*redirect_url*) echo "$LEADS"; exit ;;
*" https://"*)
    case $*,$SAID in
    *" -k "* | *,) printf '\\n<code>200</code>' ;;
    *) printf "%s\\\\n<code>000</code>" "$SAID"; SAID=${SAID#*\\(}; exit "${SAID%%)*}" ;;
    esac ;;
*) printf '\\n<code>301</code>' ;;
esac""",
    "openssl": """
case $* in
s_client*) echo "$*" ;;
*-checkhost\\ school.example*)
    read -r shown
    [ "$shown" != "s_client -connect localhost:443 -servername school.example" ] ||
        echo "Hostname school.example does match certificate"
    ;;
*-checkhost*) echo "Hostname does NOT match certificate" ;;
*-enddate*) date -u -d "$DAYS days -1 hour" '+notAfter=%b %d %H:%M:%S %Y GMT' ;;
esac""",
}


@pytest.mark.parametrize(("leads", "ports", "said", "days", "judged"), LED)
def test_page_and_certificate_are_judged_where_the_web_server_leads_to_its_own_tls(
    shell, leads, ports, said, days, judged
):
    done = shell(
        "frontend_state",
        CERTIFICATES,
        PATH,
        programs_said=WEB,
        STACK_FRONTEND_URL="http://localhost",
        PATH_API="/api",
        STACK_CONTAINERS=f"b frontend p Up 1 minute\t\t{ports}\n-- others\n",
        STACK_CONTAINERS_STATUS="0",
        LEADS=leads,
        SAID=said,
        DAYS=str(days),
    )
    told = json.loads(done.stdout)
    assert (told["code"], told["certificate"]) == judged
    name = leads.split("/")[2].split(":")[0]
    assert told["host"] == ("" if judged[1] == "none" else name)
    if judged[1] == "expired":
        assert f"certificate of {name} has expired on " in told["reason"]
        assert told["reason"].endswith(f", {-days} days ago")
    if judged[0] == 200:
        assert told["api_code"] == 200


@pytest.mark.parametrize(("code", "back"), [(200, 0), (301, 0), (404, 1), (502, 1), ("000", 1)])
def test_a_web_server_that_leads_elsewhere_is_back(shell, code, back):
    words = f"http() {{ echo {code}; }}; serves() {{ :; }}; is_back frontend"
    assert shell(words, OPERATIONS, STACK_FRONTEND_URL="http://localhost").returncode == back


def test_an_address_that_the_inventory_names_needs_an_issuer_that_the_host_knows(shell):
    done = shell(
        "frontend_state",
        CERTIFICATES,
        PATH,
        programs_said=WEB,
        STACK_FRONTEND_URL="https://localhost",
        PATH_API="/api",
        SAID=UNKNOWN,
        DAYS="60",
    )
    told = json.loads(done.stdout)
    assert (told["code"], told["certificate"]) == (0, "unknown_issuer")


# --- whose port it is ---------------------------------------------------------------------------

PS = """\
False	{dir}	aaa backend school_mgmt	Up 5 m	/app/x	0.0.0.0:5007->5007/tcp, :5007->5007/tcp	a
False	{dir}	bbb cluster school_mgmt	Up 5 m		0.0.0.0:7000-7002->7000-7002/tcp, :5->5/udp	c
True	{dir}	ccc backend school_mgmt	Up 5 m			run
False	/srv/other	ddd web other	Up 2 hours		127.0.0.1:80->80/tcp	other_web_1
		eee  	Up 3 days		8080/tcp	bare
"""


def test_containers_are_listed_once_with_their_ports_and_those_of_others_apart(shell, tmp_path):
    (tmp_path / "ps").write_text(PS.format(dir=tmp_path))
    done = shell("all_containers; echo; containers", programs_said={"docker": f"cat {tmp_path}/ps"})
    ours = (
        "aaa backend school_mgmt Up 5 m\t/app/x\t,5007,\n"
        "bbb cluster school_mgmt Up 5 m\t\t,7000,7001,7002,\n"
    )
    others = "-- others\nother_web_1\tother\t/srv/other\tUp 2 hours\t,80,\n"
    assert done.stdout == f"{ours}{others}\n{ours}"


LISTED = "a backend p Up 1 minute\t\t,5007,\nb redis p Up 1 minute\t\t\n-- others\n"


@pytest.mark.parametrize(
    ("listed", "service", "answer"),
    [
        (LISTED, "redis", (0, "b", "")),
        # The last of a service's.
        (f"c backend p Exited (0)\t\t\n{LISTED}", "backend", (0, "a", "")),
        (LISTED, "frontend", (1, "", "service frontend has no container")),
        (LISTED, "back", (69, "", "no service back in {file}: set stack_services")),
        (
            f"c backend q Exited (0)\t\t\n{LISTED}",
            "backend",
            (69, "", "service backend runs in more than one project in {dir}"),
        ),
    ],
)
def test_a_service_is_one_container_of_one_project(shell, tmp_path, listed, service, answer):
    done = shell(f"container {service}", STACK_CONTAINERS=listed, STACK_CONTAINERS_STATUS="0")
    code, id, said = answer
    said = said.format(dir=tmp_path, file=tmp_path / "docker-compose.yml")
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (code, id, said)


@pytest.mark.parametrize(
    "text",
    ["plain words", "", 'says "no"', "a\\b", "two\nlines\tof it", "naïve: \x1b[31m red", "*"],
)
def test_any_text_can_stand_in_a_string_of_json(shell, text):
    done = shell('printf \'"%s"\' "$(json_text "$TEXT")"', TEXT=text)
    shown = "".join(" " if ord(sign) < 32 else sign for sign in text)
    assert json.loads(done.stdout) == shown


ASKED = [
    # containers, url, whether it is asked, what is said of who holds the port
    ("a backend p Up 1 minute\t\t,5007,\n-- others\n", "http://localhost:5007/health", True, ""),
    (
        "a backend p Exited (0)\t\t\n-- others\nold_1\told\t/srv/old\tUp 1 hour\t,5007,\n",
        "http://localhost:5007/health",
        False,
        "port 5007 is already in use by container old_1 of another project, old in /srv/old, "
        "Up 1 hour",
    ),
    (
        "a backend p Exited (0)\t\t\n-- others\nbare\t\t\tUp 1 hour\t,80,\n",
        "http://localhost",
        False,
        "port 80 is already in use by container bare of no project",
    ),
    # Nothing of the stack wants this port: a proxy before it may hold it.
    (
        "a backend p Up 1 minute\t\t,8081,\n-- "
        "others\nproxy\tproxy\t/srv/proxy\tUp 1 hour\t,443,\n",
        "https://localhost",
        True,
        "",
    ),
    (
        "a backend p Exited (0)\t\t\n-- others\nold_1\told\t/srv/old\tUp 1 hour\t,5007,\n",
        "http://api.school.example:5007",
        True,
        "",
    ),
]


@pytest.mark.parametrize(("containers", "url", "asked", "said"), ASKED)
def test_a_port_that_somebody_else_holds_is_not_asked(shell, containers, url, asked, said):
    done = shell(
        'http 3 "$URL"',
        programs_said={"curl": "printf '\\n<code>200</code>'"},
        STACK_CONTAINERS=containers,
        STACK_CONTAINERS_STATUS="0",
        URL=url,
    )
    assert (done.returncode, done.stdout) == ((0, "200\n") if asked else (69, ""))
    assert said in done.stderr


LISTEN = (
    "import socket, sys; s = socket.create_server(('', 0)); print(s.getsockname()[1], flush=True)"
)
HOLDERS = {
    # name of the process, seconds that it stays, whether ss says who it is: what is said of it
    "a process": ("python3 -m http.server", 30, True, "process {pid}, started "),
    "whom we may not see": ("python3", 30, False, "a process that this user may not see"),
    "gone a moment later": ("python3", 0.2, False, ""),
    # It serves a container that docker ps tells of, or one that restarts and is gone again.
    "the proxy of a container": ("/usr/bin/docker-proxy -proto tcp", 30, True, ""),
    "the proxy by its name": ("docker-proxy", 30, True, ""),
}


@pytest.mark.parametrize("case", HOLDERS)
def test_a_port_is_held_by_who_stays_and_is_not_docker_itself(shell, case):
    name, stays, seen, said = HOLDERS[case]
    command = [name, "-c", f"{LISTEN}; import time; time.sleep({stays})"]
    with subprocess.Popen(
        command, executable=sys.executable, stdout=subprocess.PIPE, text=True
    ) as process:
        port = process.stdout.readline().strip()
        done = shell(
            'holder_of "$PORT"',
            programs_said={"ss": f"echo 'users:((pid={process.pid},fd=3))'" if seen else ":"},
            STACK_CONTAINERS="a backend p Restarting (1) 5 seconds ago\t\t\n-- others\n",
            PORT=port,
        )
        process.kill()
    assert done.returncode == (0 if said else 1)
    assert done.stdout.startswith(said.format(pid=process.pid))
    assert bool(done.stdout) == bool(said)


def facts(*lines):
    """What is wrong, from facts of published_ports."""
    done = subprocess.run(
        ["awk", "-F", "\t", PROGRAMS["PATH_PORTS_AWK"]],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def container(service, state="running", port=5007, names=None, mounted="", error='""', off=""):
    bound = f",0.0.0.0={port}={port}/tcp," if state == "running" else ""
    names = f",{service}," if names is None else names
    fields = [service, state, f",{port},", bound, names, off, "stack_net", mounted, error]
    return "\t".join(["S", *map(str, fields)])


WELL = ["forward\t1", "listening\t5007,80,22"]
TROUBLES = {
    "all well": ([*WELL, container("backend"), container("frontend", port=80)], []),
    "its proxy is gone": (
        ["forward\t1", "listening\t80,22", container("backend"), container("frontend", port=80)],
        ["backend:no_proxy"],
    ),
    "Docker without proxies": (
        ["forward\t1", "listening\t22", container("backend"), container("frontend", port=80)],
        [],
    ),
    "taken": (
        [*WELL, "holder\t5007\tcontainer old_1", container("backend", "exited")],
        ["backend:taken"],
    ),
    "nothing is forwarded": (["forward\t0", WELL[1], container("backend")], ["host:forwarding"]),
    "nothing is forwarded, nor published": (
        ["forward\t0", WELL[1], container("backend").replace("0.0.0.0=", "127.0.0.1=")],
        [],
    ),
    "firewall": (
        [*WELL, "blocked\t5007\tfirewall rule -A X", container("backend")],
        ["backend:firewall"],
    ),
    "resolver": (
        [*WELL, "resolver\tbackend\t/srv/resolv.conf", container("backend")],
        ["backend:resolver"],
    ),
    "no name": ([*WELL, container("backend", names=",api,")], ["backend:no_name"]),
    "no network": ([*WELL, container("backend", names="", off="stack_net")], []),
    "not started": (
        [
            *WELL,
            container("backend", "created", error='"driver failed: port is already allocated"'),
        ],
        ["backend:start_error"],
    ),
}


@pytest.mark.parametrize("case", TROUBLES)
def test_what_is_wrong_with_ports_and_names_is_found_and_said(case):
    lines, found = TROUBLES[case]
    answer = facts(*lines)
    assert answer["found"] == found
    assert set(answer["why"]) == set(found)


def test_a_proxy_on_the_host_is_another_way_in():
    assert facts("listening\t5007,443", container("backend"))["gate"]
    assert not facts("listening\t80", container("frontend", port=80))["gate"]


# --- the firewall -------------------------------------------------------------------------------

DOCKER_RULES = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o br-1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o br-1 -j DOCKER
-A DOCKER -d 10.202.0.5/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 5007 -j ACCEPT
USER
-A DOCKER-USER -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [4:240]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i br-1 -p tcp -m tcp --dport 8007 -j DNAT --to-destination 10.202.0.5:5007
COMMIT
"""
FLUSHED = DOCKER_RULES.replace("-A FORWARD -j DOCKER-USER\n", "").replace(
    "-A FORWARD -o br-1 -j DOCKER\n", ""
)
RULES = {
    "none of the site": (
        DOCKER_RULES.replace("USER\n-A DOCKER-USER -j", "-A DOCKER-USER -j"),
        False,
    ),
    "the container's port": ("-A DOCKER-USER -p tcp -m tcp --dport 5007 -j DROP", True),
    "several ports": (
        "-A DOCKER-USER -p tcp -m multiport --dports 22,5007 -j REJECT --reject-with x",
        True,
    ),
    "everything": ("-A DOCKER-USER -i eth0 -j DROP", True),
    "another port": ("-A DOCKER-USER -p tcp -m tcp --dport 50070 -j DROP", False),
    "another protocol": ("-A DOCKER-USER -p udp -m udp --dport 5007 -j DROP", False),
    "all but some": ("-A DOCKER-USER ! -s 10.0.0.0/8 -i eth0 -j DROP", False),
    "some are let in": (
        "-A DOCKER-USER -s 10.0.0.0/8 -j RETURN\n-A DOCKER-USER -i eth0 -j DROP",
        False,
    ),
    "one who attacks": ("-A DOCKER-USER -s 203.0.113.9/32 -j DROP", False),
    "what is open stays": ("-A DOCKER-USER -m conntrack --ctstate INVALID -j DROP", False),
    "Docker's rules were flushed": (FLUSHED, True),
}


@pytest.mark.parametrize("case", RULES)
def test_a_rule_that_drops_everybody_is_found_and_no_other(case):
    rules, dropped = RULES[case]
    text = (
        rules
        if "*nat" in rules
        else DOCKER_RULES.replace("USER\n-A DOCKER-USER -j", f"{rules}\n-A DOCKER-USER -j")
    )
    done = subprocess.run(
        ["awk", "-v", "pairs=8007=5007", PROGRAMS["PATH_FIREWALL_AWK"]],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("blocked\t8007\t") == dropped
    assert bool(done.stdout) == dropped


# --- the state of a process ---------------------------------------------------------------------


def stat(pid, name, state="S", ticks=100):
    return f"{pid} ({name}) {state} 0 1 1 0 -1 4194560 1 0 0 0 {ticks} 0 0 0 20 0 11 0"


QUIET = [
    f"state {stat(1, 'node')}",
    f"first 1 {stat(1, 'node')}",
    f"second 1 {stat(1, 'node', ticks=102)}",
    "files 1 24 1048576",
    "heap 1 90000 ",
]
PROCESSES = {
    "": QUIET,
    "open_files": [*QUIET, "files 1 119 120"],
    "busy": [*QUIET[:2], f"second 1 {stat(1, 'node', 'R', ticks=149)}"],
    "stopped": [f"state {stat(1, 'node', 'T')}"],
    "waiting": [f"state {stat(1, 'my (odd) name', 'D')}"],
    "heap": [*QUIET, "heap 1 261000 256"],
    "processes": [QUIET[0], "sh: 1: Cannot fork"],
}


@pytest.mark.parametrize("kind", PROCESSES)
def test_the_state_of_a_process_is_named(shell, kind):
    done = shell(
        'printf "%s" "$SEEN" | judge_processes', PATH, SEEN="\n".join(PROCESSES[kind]) + "\n"
    )
    assert done.stdout.split(" ")[0].strip() == kind, done
    assert done.stderr == ""


# --- other services -----------------------------------------------------------------------------

NOW_AGO = {"long": "2026-01-19T15:05:42.5Z", "now": "$(date -u +%Y-%m-%dT%H:%M:%S).5Z"}
SERVICE = {
    # state, exit code, out of memory, policy, restarts, started, health, its exit code, its output
    "stopped": (("exited", 0, "false", "always", 0, "long", "-", 0, ""), "down", "startable"),
    "killed by a person": (
        ("exited", 137, "false", "always", 0, "long", "-", 0, ""),
        "down",
        "startable",
    ),
    "ended": (("exited", 1, "false", "no", 0, "long", "-", 0, ""), "down", "startable"),
    "ended at once": (("exited", 1, "false", "no", 0, "now", "-", 0, ""), "down", ""),
    "a job that is done": (("exited", 0, "false", "no", 0, "long", "-", 0, ""), None, None),
    "crash loop": (("restarting", 1, "false", "always", 7, "now", "-", 0, ""), "down", ""),
    "just restarted by its policy": (
        ("running", 1, "false", "always", 7, "now", "-", 0, ""),
        "down",
        "",
    ),
    "crashed once": (("running", 0, "false", "always", 1, "now", "-", 0, ""), None, None),
    "just started": (("running", 0, "false", "always", 0, "now", "-", 0, ""), None, None),
    "unhealthy": (
        ("running", 0, "false", "always", 0, "long", "unhealthy", 1, "503"),
        "unhealthy",
        "restartable",
    ),
    "unhealthy since its start": (
        ("running", 0, "false", "always", 0, "now", "unhealthy", 1, "503"),
        "unhealthy",
        "",
    ),
    "check that cannot run": (
        (
            "running",
            0,
            "false",
            "always",
            0,
            "long",
            "unhealthy",
            -1,
            "exec: curl: executable file not found in $PATH",
        ),
        "broken_check",
        "",
    ),
}


def troubles(shell, case, runs):
    """What is said of one service that runs so."""
    state, code, oom, policy, restarts, begun, health, check, output = SERVICE[case][0]
    fields = [
        "id1",
        "pdf",
        state,
        code,
        oom,
        policy,
        restarts,
        "BEGUN",
        health,
        check,
        "-",
        json.dumps(output),
        '""',
        runs,
    ]
    line = "\t".join(map(str, fields))
    return shell(
        f'printf "%s\\n" "$LINE" | sed "s/BEGUN/{NOW_AGO[begun]}/" | name_troubles',
        SERVICES,
        programs_said={"docker": "case $1 in events) seq 5 ;; *) echo 'Error: no fonts' ;; esac"},
        LINE=line,
    )


@pytest.mark.parametrize("case", SERVICE)
def test_a_service_in_trouble_is_named_with_what_may_help(shell, case):
    _said, kind, step = SERVICE[case]
    done = troubles(shell, case, '"shop/pdf" "node" "server.js"')
    assert done.stderr == ""
    if kind is None:
        assert done.stdout == ""
    else:
        assert done.stdout.split("\t")[:3] == ["pdf", kind, step]


@pytest.mark.parametrize("case", [case for case in SERVICE if SERVICE[case][2]])
def test_a_database_in_trouble_is_named_and_nothing_is_done_to_it(shell, case):
    done = troubles(shell, case, '"mariadb:11" "docker-entrypoint.sh" "mariadbd"')
    name, kind, step, why, _id = done.stdout.rstrip("\n").split("\t")
    assert (name, kind, step, done.stderr) == ("pdf", SERVICE[case][1], "", "")
    assert why.endswith("it is a database that is not looked into, which people start")


@pytest.mark.parametrize(
    ("runs", "ports", "health", "kind"),
    [
        ('"shop/migrate" "node" "migrate.js"', "-", "-", ""),
        ('"mariadb:11" "docker-entrypoint.sh" "mariadbd"', "-", "-", "down"),
        ('"shop/web" "nginx" "-g" "daemon off;"', "-", "-", "down"),
        ('"shop/api" "node"', "3000 -", "-", "down"),
        ('"shop/api" "node"', "-", "unhealthy", "down"),
        ('"shop/deploy" "npx" "hardhat" "run" "deploy.js"', "-", "-", ""),
        ('"shop/chain" "npx" "hardhat" "node"', "-", "-", "down"),
        # A database's own image may run a job.
        ('"postgres:16" "sh" "-c" "pg_dump shop"', "-", "-", ""),
    ],
)
def test_what_serves_others_is_no_job_that_is_done(shell, runs, ports, health, kind):
    fields = ["id1", "one", "exited", "0", "false", "no", "0", "2026-01-01T00:00:00Z"]
    line = "\t".join([*fields, health, "0", ports, '""', '""', runs])
    words = "holder_of() { return 1; }; printf '%s\n' \"$LINE\" | name_troubles"
    done = shell(words, SERVICES, LINE=line)
    assert done.stderr == ""
    assert done.stdout.split("\t")[1:2] == ([kind] if kind else [])


# --- a start that takes its time ----------------------------------------------------------------

AT = "2026-01-19T15:{}"
EARLIER = [f"start {AT.format('01:00')}", f"ready {AT.format('01:06')}"]
HELD = "worked {}000 290 300"
STARTS = {
    "it has listened": (["begun", "05:00", "05:10", f"ready {AT.format('05:03')}"], ""),
    "as long as ever": (["begun", "05:00", "05:16", *EARLIER], "starting"),
    "longer than ever": (["begun", "05:00", "05:18", *EARLIER], "waiting"),
    "for the first time": (["begun", "05:00", "05:20"], "starting"),
    "for the first time, and too long": (["begun", "05:00", "05:21"], "waiting"),
    # A start that would take 11 s of a whole processor, and gets a tenth of one.
    "held up by its limit": (["begun", "05:00", "05:30", *EARLIER, HELD.format(3)], "starting"),
    "its limit was not met": (["begun", "05:00", "05:30", *EARLIER, "worked 3000 9 30"], "waiting"),
    "without a limit": (["begun", "05:00", "05:30", *EARLIER, "worked 3000 0 0"], "waiting"),
    "worked long enough": (["begun", "05:00", "09:30", *EARLIER, HELD.format(18)], "waiting"),
    "held up for ever": (["begun", "05:00", "15:30", *EARLIER, HELD.format(9)], "waiting"),
    "its log cannot be read": (["begun", "05:00", "05:21", "unread"], ""),
}


@pytest.mark.parametrize("case", STARTS)
def test_a_start_gets_the_time_that_its_last_ones_took(case):
    (_, begun, now, *more), stage = STARTS[case]
    lines = [*more, f"begun {AT.format(begun)}", f"now {AT.format(now)}"]
    done = subprocess.run(
        ["awk", PROGRAMS["PATH_START_AWK"]],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split(" ")[0].strip() == stage


ASKS = """printf '%s\\n' "$@" >"$SEEN/arguments"
cat >"$SEEN/body"
echo ' HTTP/1.1 200 OK' >&2
printf '<code>200</code>'"""


@pytest.mark.parametrize("without", ["", 'command() { [ "$2" != curl ]; }\n'])
def test_what_is_sent_stands_on_no_command_line(shell, tmp_path, without):
    login = '{"password": "canary-of-a-login"}'
    done = shell(
        without + 'http 3 http://localhost:5007/login "$LOGIN"',
        programs_said={"curl": ASKS, "wget": ASKS},
        LOGIN=login,
        SEEN=str(tmp_path),
        STACK_CONTAINERS="a backend p Up 1 minute\t\t,5007,\n-- others\n",
        STACK_CONTAINERS_STATUS="0",
    )
    assert (done.stdout, done.returncode) == ("200\n", 0)
    assert "canary-of-a-login" in (tmp_path / "body").read_text()
    assert "canary" not in (tmp_path / "arguments").read_text()


@pytest.mark.parametrize("kind", PROCESSES)
def test_processes_are_read_alike_by_every_awk(kind):
    out, err, status = awk("PATH_PROCESSES_AWK", "\n".join(PROCESSES[kind]) + "\n")
    assert (out.split(" ")[0].strip(), err, status) == (kind, "", 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "state",
        "state \nfirst\nsecond\nfiles\nheap\n",
        "files 7 99",  # no limit could be read
        "heap 7 99999 ",
        "second 7 7 (node) R 1 1 1 0 -1 1 1 1 1 1 90 90",  # not seen before
    ],
)
def test_a_torn_fact_of_a_process_is_no_trouble(text):
    assert awk("PATH_PROCESSES_AWK", text) == ("", "", 0)


@pytest.mark.parametrize("name", ["a) Z 1", "(sd-pam)", "R", "node $(id)"])
def test_what_a_process_is_called_is_not_its_state(name):
    assert awk("PATH_PROCESSES_AWK", f"state 1 ({name}) S 1 1 1\n") == ("", "", 0)


def services(*lines):
    text = "".join(f"{line}\n" for line in lines)
    out, err, status = awk("SERVICES_AWK", text, "-F", "\t")
    assert (err, status) == ("", 0)
    return json.loads(out)


WELL = {
    **{"degraded": [], "startable": [], "restartable": [], "broken_checks": [], "expiring": []},
    **{"running": True, "why": {}},
}


def test_services_in_trouble_are_told_by_what_helps_them():
    found = services(
        "pdf\tdown\tstartable\tpdf is down",
        "mail\tunhealthy\trestartable\tmail is unhealthy",
        "web\tbroken_check\t\tweb cannot be asked",
        "job\tdown\t\tjob ended",
        "web\tsilent\trestartable\tweb does not answer",
        "shop\texpiring\t\tits certificate ends",
    )
    assert found["degraded"] == ["pdf", "mail", "job", "web"]
    assert (found["startable"], found["restartable"]) == (["pdf"], ["mail", "web"])
    assert found["expiring"] == ["shop"]
    assert (found["broken_checks"], found["running"]) == (["web"], False)
    assert list(found["why"]) == ["pdf", "mail", "web", "job", "shop"]
    assert found["why"]["web"] == "web cannot be asked; web does not answer"


@pytest.mark.parametrize("line", ["", "pdf", "pdf\tdown", "pdf\tdown\tstartable"])
def test_a_torn_line_is_no_service(line):
    assert services(line) == WELL


@pytest.mark.parametrize("why", ['said "no"', "C:\\temp\\", "a\x1b[2J\x07", '"}},{"', "é \\u0041"])
def test_a_sentence_stays_one_whatever_a_log_says(why):
    found = services(f"pdf\tdown\tstartable\t{why}")
    assert found["degraded"] == ["pdf"]
    assert found["why"]["pdf"] == re.sub(r"[\x00-\x1f]", "?", why)
    assert list(services(f"{why}\tdown\tstartable\tit is down")["why"].values()) == ["it is down"]


# --- how the API is asked -----------------------------------------------------------------------


class Heard(BaseHTTPRequestHandler):
    """A server that remembers what it was sent."""

    requests: ClassVar[list[tuple[dict[str, str], str]]] = []

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.requests.append((dict(self.headers), self.rfile.read(length).decode()))
        self.send_response(503 if self.path == "/broken" else 200)
        self.end_headers()
        self.wfile.write(b"no fonts" if self.path == "/broken" else b"")

    do_POST = do_GET

    def log_message(self, *_):
        """Keep silent."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Heard) as serving:
        Heard.requests.clear()
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


RUNNING = 'running\t0\tfalse\talways\t{}\t{}\t-\t0\t-\t""\t""\t"shop/mail" "node"'
LISTED = "id1 mail shop Up 3 hours\t\t\nid2 jobs shop Exited (1) 1 hour ago\t\t\n-- others\n"


def asked(shell, url, *, restarts=0, started="2026-01-19T15:05:42.5Z", **environment):
    """What is said of services that are asked at an address: of mail, by what docker knows."""
    known = {"STACK_CONTAINERS": LISTED, "STACK_CONTAINERS_STATUS": "0"}
    facts = f"id1\tmail\t{RUNNING.format(restarts, started)}"
    said = {"docker": f"case $* in *id1*) printf '%s\\n' '{facts}' ;; esac"}
    given = {"STACK_SERVICE_URLS": f"mail {url}", **known, **environment}
    return shell("troubled_services", CERTIFICATES, SERVICES, programs_said=said, **given)


def test_a_service_that_answers_where_it_is_asked_is_well(shell, server):
    done = asked(shell, f"{server}/health")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [headers["Host"] for headers, _ in Heard.requests] == [server.removeprefix("http://")]


@pytest.mark.parametrize(
    ("now", "step"), [("2026-01-19T15:05:42.5Z", "restartable"), (None, "")], ids=["long", "now"]
)
def test_one_that_does_not_is_restarted_unless_it_was_just_started(shell, now, step):
    now = now or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.5Z"
    done = asked(shell, "http://127.0.0.1:9/health", started=now)
    why = "mail does not answer: connection to 127.0.0.1:9 refused"
    why += "" if step else "; it was started less than 300 s ago, and again would not help"
    assert (done.stdout, done.stderr) == (f"mail\tsilent\t{step}\t{why}\tid1\n", "")


def test_one_that_answers_with_an_error_says_which(shell, server):
    done = asked(shell, f"{server}/broken")
    assert done.stdout == "mail\tsilent\trestartable\tmail answers 503: no fonts\tid1\n"


def test_what_restarted_hours_ago_is_judged_by_its_answer(shell, server):
    assert asked(shell, f"{server}/health", restarts=3).stdout == ""
    assert "answers 503" in asked(shell, f"{server}/broken", restarts=3).stdout


def test_a_part_is_left_to_its_own_card(shell):
    assert asked(shell, "http://127.0.0.1:9/", STACK_BACKEND="mail").stdout == ""


UP, DOWN = "Up 3 hours", "Exited (137) 1 hour ago"


def of_replicas(shell, words, service, *statuses, names="shop-{}-{}", **environment):
    """What words say and do where a service has replicas in these states, the first the oldest."""
    numbers = range(len(statuses), 0, -1)
    listed = "".join(f"id{n} {service} shop {statuses[n - 1]}\t\t\n" for n in numbers)
    known = 'exited\t137\tfalse\talways\t0\t2026-01-19T15:05:42.5Z\t-\t0\t-\t""\t""\t"shop/it"'
    down = [n for n in numbers if statuses[n - 1] == DOWN]
    facts = "".join(f"id{n}/{names.format(service, n)}\t{service}\t{known}\n" for n in down)
    docker = """case "$*" in
        *RestartCount*) printf '%s' "$FACTS" ;;
        *'{{.State.Status}}'*) case $FACTS in *"$4/"*) echo exited ;; *) echo running ;; esac ;;
        inspect*) [ "$4" != "$OFF" ] || echo shop_net ;;
        *) echo "docker $*" >&2 ;;
        esac"""
    given = {"STACK_CONTAINERS": f"{listed}-- others\n", "STACK_CONTAINERS_STATUS": "0"}
    given |= {"FACTS": facts, "OFF": "", **environment}
    return shell(words, SERVICES, programs_said={"docker": docker}, **given)


@pytest.mark.parametrize("service", ["report", "backend"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_one_of_three_replicas_that_is_down_is_named_and_started(shell, service, number):
    states = [DOWN if n == number else UP for n in (1, 2, 3)]
    name = f"{service} (shop-{service}-{number})"
    done = of_replicas(shell, "troubled_services", service, *states)
    why = f"{name} was stopped (exit status 137)"
    assert (done.stdout, done.stderr) == (f"{name}\tdown\tstartable\t{why}\tid{number}\n", "")
    done = of_replicas(shell, "mend_services startable start", service, *states)
    assert done.stderr == f"docker start id{number}\n"
    assert done.stdout == f"started {name}, which was stopped\n"


def test_a_part_of_which_no_replica_is_up_is_its_cards(shell):
    assert of_replicas(shell, "troubled_services", "backend", DOWN, DOWN).stdout == ""
    lines = of_replicas(shell, "troubled_services", "report", DOWN, DOWN).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["report", "report"]


def test_what_an_update_that_broke_off_left_behind_is_no_replica(shell):
    names = "0123456789ab_shop-{}-{}"
    assert of_replicas(shell, "troubled_services", "backend", DOWN, UP, names=names).stdout == ""


@pytest.mark.parametrize("statuses", [(UP, DOWN), (DOWN, UP), (DOWN, UP, DOWN)])
def test_a_service_is_asked_in_a_replica_that_is_up(shell, statuses):
    done = of_replicas(shell, "container report; container id1", "report", *statuses)
    assert done.stdout.split() == [f"id{statuses.index(UP) + 1}", "id1"]


def test_one_of_three_replicas_that_is_off_its_network_joins_it_again(shell):
    done = of_replicas(shell, "reconnect_services", "report", UP, UP, UP, OFF="id2")
    assert done.stderr == "docker network connect --alias report shop_net id2\n"
    assert done.stdout == "joined report to shop_net\n"


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (90, ""),
        (3, "mail\texpiring\t\tthe certificate of mail is about to expire, valid until"),
    ],
)
def test_how_long_the_certificate_of_a_service_is_good_is_told(shell, days, said):
    end = f"{datetime.now(UTC) + timedelta(days=days, minutes=5):%b %d %H:%M:%S %Y} GMT"
    words = f"http() {{ echo 200; }}; certificate_at() {{ echo 'notAfter={end}'; }}"
    known = {"STACK_CONTAINERS": LISTED, "STACK_CONTAINERS_STATUS": "0"}
    urls = "mail https://mail.school.example/"
    words = f". {CERTIFICATES}; . {SERVICES}; {words}; troubled_services"
    done = shell(words, programs_said={"docker": "true"}, STACK_SERVICE_URLS=urls, **known)
    assert (done.stdout[: len(said)], bool(done.stdout)) == (said, bool(said))
    assert done.stderr == ""


def test_a_port_that_somebody_else_holds_is_no_reason_to_restart_it(shell):
    held = 'http() { unknown "port 80 is already in use by nginx"; }'
    known = {"STACK_CONTAINERS": LISTED, "STACK_CONTAINERS_STATUS": "0"}
    facts = f"id1\tmail\t{RUNNING.format(0, '2026-01-19T15:05:42.5Z')}"
    said = {"docker": f"printf '%s\\n' '{facts}'"}
    words = f". {CERTIFICATES}; . {SERVICES}; {held}; troubled_services"
    done = shell(words, programs_said=said, STACK_SERVICE_URLS="mail https://localhost", **known)
    why = "mail does not answer: port 80 is already in use by nginx"
    assert (done.stdout, done.stderr) == (f"mail\tsilent\t\t{why}\tid1\n", "")


def test_where_nothing_can_ask_it_is_unknown(shell):
    without = "command() { case $2 in curl | wget) return 1 ;; esac; }"
    known = {"STACK_CONTAINERS": LISTED, "STACK_CONTAINERS_STATUS": "0"}
    words = f". {CERTIFICATES}; . {SERVICES}; {without}; troubled_services"
    done = shell(words, STACK_SERVICE_URLS="mail http://localhost", **known)
    assert (done.returncode, done.stdout) == (69, "")


def test_what_is_down_is_not_asked(shell, server):
    compose = "services:\n  mail:\n  jobs:\n  fax:\n"
    words = f"printf '{compose}' >\"$compose_file\"; troubled_services"
    urls = f"jobs {server}/\nfax {server}/\nmail {server}/"
    known = {"STACK_CONTAINERS": LISTED, "STACK_CONTAINERS_STATUS": "0"}
    docker = {"docker": "true"}
    given = {"STACK_SERVICE_URLS": urls, **known}
    done = shell(words, CERTIFICATES, SERVICES, programs_said=docker, **given)
    assert done.stdout == "fax\tdown\t\tfax has no container\n"
    assert len(Heard.requests) == 1
    given["STACK_SERVICE_URLS"] = f"post {server}/"
    done = shell(words, CERTIFICATES, SERVICES, programs_said=docker, **given)
    assert (done.returncode, done.stdout) == (69, "")
    assert "set stack_service_urls" in done.stderr


@pytest.mark.parametrize(
    "body", ['{"a": "b"}', r'{"a": "q\"uote \\ back\n"}', "@/etc/passwd", '{"é": "ü"}']
)
def test_what_is_sent_arrives_as_it_is(shell, server, body):
    done = shell(f'http 3 {server}/login "$BODY"', BODY=body, STACK_BACKEND_URL=server)
    assert done.stdout == "200\n"
    ((headers, arrived),) = Heard.requests
    assert (headers["Content-Type"], arrived) == ("application/json", body)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://localhost", True),
        ("http://localhost/health?x=1", True),
        ("http://localhost:8545", False),
        ("http://localhost.example.com/", False),
        ("https://localhost/", False),
    ],
)
def test_what_only_begins_as_the_api_s_address_gets_no_header(shell, url, sent):
    known = {"STACK_BACKEND_URL": "http://localhost", "STACK_REQUEST_HEADERS": "X-Api-Key: canary"}
    done = shell('request_words "$URL"', URL=url, **known)
    assert done.stdout == ('header = "X-Api-Key: canary"\n' if sent else "")


def test_headers_go_to_the_api_alone_and_stand_on_no_command_line(shell, server, tmp_path):
    given = 'X-Api-Key: canary "of" a \\ header\nHost: api.example.com'
    words = f"http 3 {server}/health; http 3 {server.replace('127.0.0.1', 'localhost')}/health"
    done = shell(words, STACK_REQUEST_HEADERS=given, STACK_BACKEND_URL=server)
    assert done.stdout == "200\n200\n"
    (to_api, _), (to_other, _) = Heard.requests
    assert to_api["X-Api-Key"] == 'canary "of" a \\ header'
    assert to_api["Host"] == "api.example.com"
    assert "X-Api-Key" not in to_other
    seen = {"SEEN": str(tmp_path), "STACK_REQUEST_HEADERS": given}
    shell("http 3 http://localhost:5007/x", programs_said={"curl": ASKS}, **seen)
    assert "canary" not in (tmp_path / "arguments").read_text()
    without = 'command() { [ "$2" != curl ]; }\nhttp 3 http://localhost:5007/x'
    done = shell(without, programs_said={"wget": ASKS}, **seen)
    assert (done.returncode, "sent with curl only" in done.stderr) == (69, True)


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("http://backend:3000/health", "http://172.18.0.4:3000/health"),
        ("http://backend", "http://172.18.0.4"),
        ("http://localhost:5007/health", "http://localhost:5007/health"),
        ("https://api.school.example/", "https://api.school.example/"),
        ("http://elsewhere:5007", "http://elsewhere:5007"),
        ("http://[::1]:5007", "http://[::1]:5007"),
        ("http://user:word@backend:5007", "http://user:word@backend:5007"),
        # One that does not run has no address.
        ("http://frontend:80", "http://frontend:80"),
    ],
)
def test_a_service_is_asked_at_its_own_address(shell, url, reached):
    docker = 'case $* in *idb) printf "\\n172.18.0.4\\n172.19.0.4\\n" ;; *) echo ;; esac'
    done = shell(
        'reach "$URL"; echo "$reached"',
        programs_said={"docker": docker},
        URL=url,
        STACK_CONTAINERS="idb backend p Up 1 minute\t\t\nidf frontend p Exited\t\t\n-- others\n",
        STACK_CONTAINERS_STATUS="0",
    )
    assert done.stdout == reached + "\n"


@pytest.mark.parametrize(
    ("runs", "database"),
    [
        ("mariadb:11 docker-entrypoint.sh mariadbd", True),
        ("registry.example:5000/shop/mariadb@sha256:0abc docker-entrypoint.sh", True),
        ("shop/data docker-entrypoint.sh /usr/sbin/mysqld --user=mysql", True),
        ("postgres:16 sh -c while true; do pg_dump shop; done", False),
        ("mysql:8 mysql -h db -e SELECT", False),
        ("mysql:8 docker-entrypoint.sh --sql-mode=ANSI", True),
        ("shop/api node server.js", False),
        ("shop/* node *", False),
        ("", False),
    ],
)
def test_a_database_is_told_by_its_image_and_by_what_it_runs(shell, runs, database):
    done = shell('runs_one_of "$STACK_DATABASES" "$RUNS" && echo yes || echo no', RUNS=runs)
    assert done.stdout == ("yes\n" if database else "no\n"), done.stderr
