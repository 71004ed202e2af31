"""A machine near the light hosts: a container with an sshd and the command, that plays runs."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from light import KEYS, docker

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("runbook")
MAKE = """
set -eu
mkdir -p /run/sshd /root/.ssh
# With a ProxyCommand, as Debian's systemd has one, each host is asked by a process of its own.
rm -f /etc/ssh/ssh_config.d/*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
echo "$1" > /root/.ssh/authorized_keys
cat > /etc/ssh/sshd_bastion <<END
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
UseDNS no
PidFile /run/sshd.pid
END
"""
OTHER_VERSION = """
import sys
import oncall_runbook
oncall_runbook.__version__ = "0.0.9"
sys.argv[0] = "runbook"
from oncall_runbook.commands.cli import main
main()
"""
SERVE = "kill -0 $(cat /run/sshd.pid) 2> /dev/null || /usr/sbin/sshd -f /etc/ssh/sshd_bastion"


class Machine:
    """A container with the command, in which runs are played."""

    def __init__(self, name, container):
        self.name, self._container = name, container
        self.install()

    def install(self):
        """Have the command there, whatever was made of it."""
        self.run(f"ln -sfn {PROGRAM} /usr/local/bin/runbook")

    def run(self, command):
        return docker("exec", self._container, "sh", "-c", command)

    def copy(self, path):
        """Put a file there, where it is here."""
        self.run(f"mkdir -p {path.parent}")
        subprocess.run(["docker", "cp", path, f"{self._container}:{path}"], check=True)

    def put(self, path, text):
        """Write a program there."""
        write = f"rm -f {path}; cat > {path}; chmod 755 {path}"
        docker("exec", "-i", self._container, "sh", "-c", write, given=text)

    def take_other_version(self):
        """Have the command of another version."""
        script = f"#!{PROGRAM.with_name('python')}\n{OTHER_VERSION}"
        self.put("/usr/local/bin/runbook", script)

    def workers(self):
        """The processes that play runs, without those that watch over them."""
        return self.run("pgrep -P $(pgrep -o -f 'bin/runbook worker')").split()

    def processes(self):
        """What runs there of a run; but for connections to hosts that ssh keeps for a minute."""
        listed = self.run("ps -eo args").splitlines()
        ours = ("runbook", "ansible", "ssh ")
        return [one for one in listed if any(word in one for word in ours) and "[mux]" not in one]

    def address(self):
        ip = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return docker("inspect", "--format", ip, self._container).strip()

    def left(self):
        """What runs left there in memory."""
        return self.run("ls -d /dev/shm/runbook-* 2>/dev/null || true").split()

    def holding(self, text, since):
        """Files with this text that were written there after another file was, in memory too."""
        there = f"find / /dev/shm -xdev -type f -newer {since} -exec grep -l '{text}' {{}} +"
        return self.run(f"{there} || true")


class Bastion(Machine):
    """A machine that ssh knows by a name, as long as `path` is where programs are found first."""

    def __init__(self, name, container):
        super().__init__(name, container)
        public = (KEYS / "id_ed25519.pub").read_text().strip()
        docker("exec", container, "sh", "-c", MAKE, "sh", public)
        self.serve()

    def serve(self):
        """Have the command there, and an sshd, whatever was made of them."""
        self.install()
        self.run(SERVE)

    def ssh(self, place):
        """Write what lets `ssh NAME` get there; return the directory for the PATH."""
        key = self.run("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")
        (place / f"known_{self.name}").write_text(f"{self.name} {key}")
        with (place / "ssh_config").open("a") as file:
            file.write(
                f"Host {self.name}\n HostName {self.address()}\n"
                f" HostKeyAlias {self.name}\n User root\n"
                f" IdentityFile {KEYS}/id_ed25519\n UserKnownHostsFile {place}/known_{self.name}\n"
            )
        programs = place / "bin"
        programs.mkdir(exist_ok=True)
        # Of the user's own ssh_config nothing is changed, and nothing is heard.
        (programs / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {place}/ssh_config "$@"\n')
        (programs / "ssh").chmod(0o755)
        return programs


@contextlib.contextmanager
def raised(name, kind=Bastion, image="runbook-lab/host", *words):
    """Raise a machine, and remove it at the end. It has this checkout, and this Python."""
    container = f"runbook-lab-{name}-{os.getpid()}"
    assert sys.base_prefix != "/usr", "it takes a Python of its own, not the system's"
    here = [word for path in (sys.base_prefix, ROOT) for word in ("-v", f"{path}:{path}:ro")]
    label = ("--label", "runbook.lab=light", "--entrypoint", "sleep")
    docker("run", "-d", "--init", "--name", container, *label, *here, *words, image, "infinity")
    try:
        yield kind(name, container)
    finally:
        docker("rm", "-f", container)
