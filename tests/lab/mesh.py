"""A mesh of receptor: this machine's node, and behind it two near the light hosts, in a chain."""

import contextlib
import tempfile
import time
from pathlib import Path

from bastion import Machine, raised
from receptorctl.socket_interface import ReceptorControl

# As docs/fleet.md has it.
CONFIG = """
- node: {{id: {name}, datadir: /run/receptor/data}}
- tls-server: {{name: mesh, cert: /etc/receptor/{name}.crt, key: /etc/receptor/{name}.key,
    clientcas: /etc/receptor/ca.crt, requireclientcert: true}}
- tls-client: {{name: mesh, cert: /etc/receptor/{name}.crt, key: /etc/receptor/{name}.key,
    rootcas: /etc/receptor/ca.crt}}
- tcp-listener: {{port: 7323, tls: mesh}}
"""
CONTROL = "- control-service: {service: control, filename: /run/receptor/receptor.sock}\n"
PEER = '- tcp-peer: {{address: "{address}:7323", tls: mesh}}\n'
WORKER = "- unix-socket-client: {service: runbook, filename: /run/runbook.sock, tls: mesh}\n"
# What a socket unit of systemd does with Accept=yes, this does where there is no systemd.
SERVE = "systemd-socket-activate -l /run/runbook.sock -a --inetd runbook worker"
AUTHORITY = """
cd /etc/receptor
receptor --cert-init commonname=mesh bits=2048 outcert=ca.crt outkey=ca.key
"""
CERTIFICATE = """
cd /etc/receptor
receptor --cert-makereq bits=2048 commonname={name} nodeid={name} ipaddress={address} \
    outreq={name}.req outkey={name}.key
receptor --cert-signreq req={name}.req cacert=ca.crt cakey=ca.key outcert={name}.crt verify=true
"""
RECEPTOR = "exec receptor -c /etc/receptor/receptor.conf > /run/receptor.log 2>&1"


class Node(Machine):
    """A machine with a receptor that can be killed and started again."""

    def start(self):
        """Have a receptor there."""
        begin = f"setsid sh -c '{RECEPTOR}' > /dev/null < /dev/null &"
        self.run(f"pgrep -x receptor > /dev/null || {{ {begin} }}")

    def kill(self):
        self.run("kill -KILL $(pgrep -x receptor)")

    def serve(self):
        """Have runs played there, each by a process of its own."""
        self.run(f"rm -f /run/runbook.sock; setsid {SERVE} > /dev/null 2>&1 < /dev/null &")

    def processes(self):
        """What runs there of a run; what waits for runs is there anyhow."""
        return [one for one in super().processes() if not one.startswith("systemd-")]

    def configure(self, config, peer):
        """Write its configuration, which connects it with another node."""
        more = PEER.format(address=peer.address()) + WORKER if peer else CONTROL
        self.put("/etc/receptor/receptor.conf", config.format(name=self.name) + more)

    def certify(self, other):
        """Have this one's authority give another node its certificate."""
        self.run(CERTIFICATE.format(name=other.name, address=other.address()))
        for file in ("ca.crt", f"{other.name}.crt", f"{other.name}.key"):
            other.put(f"/etc/receptor/{file}", self.run(f"cat /etc/receptor/{file}"))


class Mesh:
    """The nodes `control`, `west` and `east`; the first one's socket is on this machine."""

    def __init__(self, place, control, west, east):
        self.socket = place / "receptor.sock"
        self.nodes = (control, west, east)
        self.west, self.east = west, east
        control.run(AUTHORITY)
        for node, peer in ((control, None), (west, control), (east, west)):
            control.certify(node)
            node.configure(CONFIG, peer)
        for node in (west, east):
            node.serve()
        self.whole()

    def whole(self):
        """Have all nodes, and the one at the end reached: receptor tries again after seconds."""
        for node in self.nodes:
            node.start()
        end = time.monotonic() + 60
        answer = {}
        while not answer.get("Success") and time.monotonic() < end:
            time.sleep(0.1)
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                answer = self.asked("ping east")
        assert answer.get("Success"), answer

    def asked(self, command):
        """What the node of this machine answers."""
        session = ReceptorControl(str(self.socket))
        try:
            return session.simple_command(command)
        finally:
            session.close()


@contextlib.contextmanager
def mesh():
    """Raise the mesh, and remove it at the end."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shared = ("-v", f"{place}:/run/receptor")
        nodes = [
            stack.enter_context(raised(name, Node, "runbook-lab/mesh", *words))
            for name, words in (("control", shared), ("west", ()), ("east", ()))
        ]
        yield Mesh(place, *nodes)
