"""Which hosts one process may ask over ssh as OpenSSH would, and what becomes of those it asks."""

import asyncio
import socket
import threading

import asyncssh
import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.oncall.runbook.plugins.plugin_utils import wire

OPTIONS = {"host": "web1", "host_key_checking": True, "timeout": 10}


def lines(**given):
    return set(wire.target({**OPTIONS, **given}).lines)


def test_what_ssh_is_told_is_told_asyncssh_as_well():
    assert lines(port=2222, remote_user="ops", private_key_file="/k e y") == {
        'Port "2222"',
        'User "ops"',
        'IdentityFile "/k e y"',
        'ConnectTimeout "10"',
    }
    assert {'ProxyJump "bastion"', 'UserKnownHostsFile "/known"'} <= lines(
        ssh_common_args="-J bastion -o UserKnownHostsFile=/known",
        ssh_args="-C -o ControlMaster=auto -o ControlPersist=60s -oLogLevel=ERROR",
        ssh_extra_args="-o StrictHostKeyChecking=yes",
    )


@pytest.mark.parametrize(
    "given",
    [
        {"password": "secret"},
        {"host_key_checking": False},
        {"ssh_executable": "/opt/ssh"},
        {"pkcs11_provider": "/lib/x.so"},
        {"ssh_args": "-o StrictHostKeyChecking=no"},
        {"ssh_args": "-o StrictHostKeyChecking=accept-new"},
        {"ssh_args": "-o UserKnownHostsFile=none"},
        {"ssh_args": "-o GlobalKnownHostsFile=NONE"},
        {"ssh_args": "-o UserKnownHostsFile=~/%h"},
        {"ssh_args": "-o RevokedHostKeys=/revoked"},
        {"ssh_args": "-o ProxyCommand='nc %h %p'"},
        {"ssh_args": "-o 'User ops\nProxyCommand nc'"},
        {"ssh_args": "-F /other"},
        {"ssh_args": "-v"},
        {"remote_user": 'a"b'},
    ],
)
def test_what_it_may_do_in_another_way_is_left(given):
    with pytest.raises(wire.NotTheSameError):
        lines(**given)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("# Nothing\n\nHost *\n  SendEnv LANG\n  Include more/*.conf\n", True),
        ("Host *.example\n  ProxyJump bastion\n  IdentityFile=~/.ssh/id\n", True),
        ("Host x\n  UserKnownHostsFile none\n", False),
        ("Host x\n  GlobalKnownHostsFile /known\n", False),
        ("Host x\n  StrictHostKeyChecking no\n", False),
        ("Host unix/* vsock/*\n  ProxyCommand p %h\n  ProxyUseFdpass yes\nHost *\n", True),
        ("Host y *.x\n  ProxyCommand p %h\n  Include other\n", True),
        ("Host ? !x\n  ProxyCommand p %h\n", True),
        ('Host y "X"\n  ProxyCommand p %h\n', False),
        ("Host y\n  Port 9\nHost *\n  ProxyCommand p\n", False),
        ("Host y\nMatch host z\n", False),
        ("Host y\nHost x\n  Include other\n", False),
        ("Match exec true\n", False),
        ("KnownHostsCommand /bin/x\n", False),
        ("Include other\n", False),
        ("Include config\n", False),
    ],
)
def test_configuration_that_it_reads_in_another_way_leaves_its_hosts(
    tmp_path, monkeypatch, text, same
):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text(text)
    (tmp_path / ".ssh/other").write_text("RevokedHostKeys /revoked\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    wire.read_configuration.cache_clear()
    try:
        if same:
            assert str(tmp_path / ".ssh/config") in wire.configuration("x")
        else:
            with pytest.raises(wire.NotTheSameError):
                wire.configuration("x")
    finally:
        wire.read_configuration.cache_clear()


async def answer(process):
    """Do what a host might: the command says what."""
    match process.command:
        case "echo":
            process.stdout.write(await process.stdin.read())
            process.stderr.write("a warning")
            process.exit(3)
        case "flood":
            while not process.is_closing():
                process.stdout.write("x" * 65536)
                await process.stdout.drain()
        case "hang":
            await asyncio.sleep(60)
        case "break":
            process.channel.get_connection().abort()


@pytest.fixture(scope="module")
def keys():
    return [asyncssh.generate_private_key("ssh-ed25519") for _ in range(2)]


@pytest.fixture(scope="module")
def port(keys, tmp_path_factory):
    """A host's ssh, which lets one key in."""
    allowed = tmp_path_factory.mktemp("host") / "authorized_keys"
    keys[1].write_public_key(allowed)
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(
        asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[keys[0]],
            authorized_client_keys=str(allowed),
            process_factory=answer,
        )
    )
    threading.Thread(target=loop.run_forever, daemon=True).start()
    yield listening.get_port()
    loop.call_soon_threadsafe(loop.stop)


@pytest.fixture
def ask(keys, port, tmp_path, monkeypatch):
    """Run a command on that host, which is known; what differs is given."""
    monkeypatch.setattr(wire, "configuration", lambda _host: ())
    keys[1].write_private_key(tmp_path / "key")
    public = keys[0].export_public_key().decode()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {public}")
    (tmp_path / "unknown").write_text(f"[127.0.0.2]:{port} {public}")
    (tmp_path / "marked").write_text(f"[127.0.0.1]:{port} {public}\n@revoked * {public}")
    (tmp_path / "address").write_text(f"[127.0.0.1]:{port} {public}")
    wires = wire.Wires(tmp_path)

    def run(command, seconds=30, room=2**20, known="known", **given):
        options = {
            **OPTIONS,
            "host": "127.0.0.1",
            "port": port,
            "private_key_file": str(tmp_path / "key"),
            "ssh_args": f"-o UserKnownHostsFile={tmp_path / known}",
            **given,
        }
        return wires.run(wire.target(options), command, b"words", seconds, room)

    yield run
    wires.close()


def test_a_host_that_is_asked_answers_on_both_streams(ask):
    assert ask("echo") == {"rc": 3, "stdout": "words", "stderr": "a warning"}


def test_one_that_answers_without_end_or_not_at_all_is_given_up(ask):
    with pytest.raises(AnsibleConnectionFailure, match="answered without end: over 1 MiB"):
        ask("flood")
    with pytest.raises(AnsibleConnectionFailure, match="did not come to an end within 1 s"):
        ask("hang", seconds=1)


@pytest.mark.parametrize("known", ["unknown", "nowhere", "address", "marked"])
def test_a_host_whose_key_is_not_known_is_not_spoken_to(ask, known):
    with pytest.raises(wire.NotTheSameError):
        ask("echo", known=known, host="localhost" if known == "address" else "127.0.0.1")


def test_what_openssh_knows_the_reason_of_is_left_to_it(ask, tmp_path):
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "other")
    with pytest.raises(wire.NotTheSameError, match="Permission denied"):
        ask("echo", private_key_file=str(tmp_path / "other"))
    with pytest.raises(wire.NotTheSameError):
        ask("break")


def test_a_port_where_nothing_listens_is_told_as_openssh_does(ask):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        free = nobody.getsockname()[1]
        said = f"^ssh: connect to host 127.0.0.1 port {free}: Connection refused$"
        with pytest.raises(AnsibleConnectionFailure, match=said):
            ask("echo", port=free)


def test_one_that_listens_and_says_nothing_times_out(ask):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(AnsibleConnectionFailure, match="timed out during banner exchange"),
    ):
        ask("echo", port=silent.getsockname()[1], timeout=1)
