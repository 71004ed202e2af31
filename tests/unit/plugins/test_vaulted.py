"""What comes from a vault is a secret, whatever its name."""

import subprocess
import sys
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret, VaultSecretsContext
from ansible_collections.oncall.runbook.plugins.plugin_utils.vaulted import secrets_of

VAULT = Path(sys.executable).with_name("ansible-vault")
PLAIN = """\
greeting: hello-from-a-vault
nested: {a: [second-1-of-them]}
port: 5432
user: postgres
"""


@pytest.fixture
def vault(tmp_path):
    """Run ansible-vault; returns what it prints."""
    (tmp_path / "password").write_text("a password")

    def run(*arguments):
        command = [VAULT, *arguments, "--vault-password-file", "password"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    return run


@pytest.fixture
def load(tmp_path):
    """Read a file of variables as ansible does."""
    secrets = [("default", VaultSecret(b"a password"))]
    if VaultSecretsContext.current(optional=True) is None:
        VaultSecretsContext.initialize(VaultSecretsContext(secrets=secrets))

    def read(name):
        loader = DataLoader()
        loader.set_vault_secrets(secrets)
        return loader.load_from_file(str(tmp_path / name))

    return read


def test_a_file_that_was_encrypted_whole(vault, load, tmp_path):
    (tmp_path / "vault.yml").write_text(PLAIN)
    vault("encrypt", "vault.yml")
    assert secrets_of(load("vault.yml")) == {"hello-from-a-vault", "second-1-of-them"}


def test_a_value_that_was_encrypted_alone(vault, load, tmp_path):
    one = vault("encrypt_string", "one-of-them", "--name", "greeting")
    (tmp_path / "vars.yml").write_text(f"{one}\nother: plain-text\n")
    assert secrets_of(load("vars.yml")) == {"one-of-them"}


def test_plain_variables_are_none(load, tmp_path):
    (tmp_path / "vars.yml").write_text(PLAIN)
    assert secrets_of({**load("vars.yml"), "made": "up", "hostvars": {"a": "b"}}) == set()
