"""Many light hosts: one container with an sshd, of which each address is a host of its own."""

import base64
import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import yaml

HERE = Path(__file__).parent
KEYS = HERE.parents[1] / ".lab"
NAME = f"runbook-lab-light-{os.getpid()}"
# Each worker of pytest-xdist has hosts of its own.
NET = 200 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
STACK = "srv/school_mgmt"
MAKE = f"""
set -eu
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
install -m 755 /dev/stdin /usr/local/sbin/light
device=$(ip -o route get 192.0.2.1 | sed 's/.* dev \\([^ ]*\\).*/\\1/')
for number in $(seq "$1"); do
    address=$2.$number
    ip address add "$address/16" dev "$device"
    mkdir -p "/var/light/$address/{STACK}" "/var/light/$address/shm"
    touch "/var/light/$address/{STACK}/docker-compose.yml"
    echo on > "/var/light/$address/{STACK}/state"
    ln -s "/var/light/$address" "/light-$number"
done
mkdir -p /root/.ssh
echo "$3" > /root/.ssh/authorized_keys
cat > /etc/ssh/sshd_light <<END
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
MaxStartups 1000
UseDNS no
ForceCommand /usr/local/sbin/light
END
/usr/sbin/sshd -f /etc/ssh/sshd_light
"""


class Light:
    """Some hundred hosts by their names, light-1 and so on."""

    def __init__(self, hosts):
        self.names = [f"light-{number}" for number in range(1, hosts + 1)]
        ip = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = docker("inspect", "--format", ip, NAME).strip()
        self.network = ".".join([*address.split(".")[:2], str(NET)])
        public = (KEYS / "id_ed25519.pub").read_text().strip()
        words = ("sh", "-c", MAKE, "sh", str(hosts), self.network, public)
        docker("exec", "-i", NAME, *words, given=(HERE / "light.sh").read_text())
        self.key = docker("exec", NAME, "cut", "-d ", "-f1,2", "/etc/ssh/ssh_host_ed25519_key.pub")

    def address(self, name):
        return f"{self.network}.{name.rpartition('-')[2]}"

    def run(self, command):
        """Run a command where each host's directory is that of its name: /light-1 and so on."""
        return docker("exec", NAME, "sh", "-c", command)

    def set(self, state, *names):
        self.run(f"for h in {' '.join(names)}; do echo {state} > /$h/{STACK}/state; done")

    def answer(self, recorded, *names):
        """Have these hosts (all of them) give a recorded answer, whatever they are asked."""
        files = [f"/{name}/answer" for name in names or self.names]
        docker("exec", "-i", NAME, "tee", *files, given="\n".join(framed(recorded)))

    def reset(self):
        own = "$h/answer $h/misbehaves $h/shm/*"
        marks = f"$h/{STACK}/log $h/{STACK}/broken $h/{STACK}/.runbook-*"
        self.run(f"for h in /light-*; do echo on > $h/{STACK}/state; rm -rf {own} {marks}; done")

    def log(self):
        """What was done on the hosts, in the order in which it was: (seconds, host, what)."""
        told = self.run(f"cd /; grep -H . light-*/{STACK}/log || true")
        lines = (line.partition(f"/{STACK}/log:")[::2] for line in told.splitlines())
        return sorted((float(said.split()[0]), host, said.split()[1]) for host, said in lines)

    def inventory(self, place, names=None, groups=None, more=None, card=True, **variables):
        """Write an inventory of these hosts (all of them), perhaps with a card of its own.

        ``more`` holds what some hosts have besides, and hosts of another kind.
        """
        if card:
            (place / "incidents").mkdir(exist_ok=True)
            shutil.copy(HERE / "light_off.yml", place / "incidents")
        known = "".join(f"{self.address(name)} {self.key}" for name in self.names)
        (place / "known_hosts").write_text(known)
        hosts = {name: {"ansible_host": self.address(name)} for name in names or self.names}
        for name, given in (more or {}).items():
            hosts[name] = {**hosts.get(name, {}), **given}
        common = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(KEYS / "id_ed25519"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={place}/known_hosts",
            "incident_pause_seconds": 0,
            "incident_hands_seconds": 0,
            **variables,
        }
        children = {
            group: {"hosts": dict.fromkeys(members)} for group, members in (groups or {}).items()
        }
        path = place / "hosts.yml"
        path.write_text(
            yaml.safe_dump({"all": {"hosts": hosts, "vars": common, "children": children}})
        )
        return path


def recorded_answer(host):
    """What a host of a run's document answered: of each probe that was asked, what it printed."""
    asked = {id: found for id, found in host["findings"].items() if "of" not in found}
    kept = ("rc", "ms", "output", "stderr")
    return {id: {key: found[key] for key in kept} for id, found in asked.items()}


def framed(recorded):
    """The lines of such an answer, with @MARK@ for the mark of who asks."""
    for id, said in recorded.items():
        for stream, text in (("out", said["output"]), ("err", said["stderr"])):
            if text:
                yield f"@MARK@ {id} {stream} {base64.b64encode(text.encode()).decode()}"
        if said["rc"] is not None:  # else its answer never came
            yield f"@MARK@ {id} end {said['rc']} {said['ms']}"
    yield "@MARK@ - done"


def docker(*words, given=None):
    return subprocess.run(
        ["docker", *words], input=given, capture_output=True, text=True, check=True
    ).stdout


@contextlib.contextmanager
def raised():
    """Raise the hosts, and remove them at the end."""
    subprocess.run([HERE / "lab", "light", NAME], check=True)
    try:
        yield Light(int(os.environ.get("RUNBOOK_LIGHT_HOSTS", "200")))
    finally:
        docker("rm", "-f", NAME)
