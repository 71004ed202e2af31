"""A newcomer's way: a card of one's own, from `runbook new` to a cure; nothing here is changed."""

import json
import shutil
import subprocess

import pytest
import yaml
from practice import HOST, INVENTORY, KEYS, ROOT, WORDS

EXAMPLES = ROOT / "inventory/example/incidents"
CERTS = "/srv/school_mgmt/frontend/certs"
SIGN = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 60 -subj /CN=localhost"
    f" -addext subjectAltName=DNS:localhost -keyout {CERTS}/server.key -out {CERTS}/server.pem"
)
TRUST = (
    f"cp {CERTS}/server.pem /usr/local/share/ca-certificates/school-lab.crt"
    " && update-ca-certificates"
)


@pytest.fixture
def site(tmp_path):
    """A directory as a site has it: an inventory, which cards are to stand beside."""
    (tmp_path / ".lab").symlink_to(KEYS)
    place = tmp_path / "inventory"
    place.mkdir()
    inventory = yaml.safe_load(INVENTORY.read_text())
    inventory["school_mgmt"]["vars"] |= {
        "certificate_renewal_command": f"{SIGN} && {TRUST}",
        "stack_frontend_url": "https://localhost",
    }
    (place / "hosts.yml").write_text(yaml.safe_dump(inventory))
    return place


def test_a_card_of_ones_own_names_and_cures_its_incident(practice, runbook, site):
    cards, here = site / "incidents", {"RUNBOOK_INVENTORY": str(site)}
    made = runbook("new", "certificate-renewal", "--in", cards, env=here)
    card, fault, near_miss = map(cards.joinpath, made.stdout.splitlines())
    assert runbook("lint", env=here).code == 0, "as it is written it is a card"

    shutil.copy(EXAMPLES / card.name, card)
    assert len(card.read_text().splitlines()) < 60
    words = WORDS.read_text()
    ends_soon = f"{words}\nserve_tls 5\nsudo sh -c '{TRUST}'"
    cured = {"root_causes": [card.stem], "ends": "fixed", "rungs": ["renew_certificate"]}
    fault.write_text(yaml.safe_dump({"title": "It ends soon", "inject": ends_soon, **cured}))
    good = {"title": "It is good for long", "inject": "true"}
    near_miss.write_text(yaml.safe_dump(good))
    assert runbook("lint", env=here).code == 0
    assert f"SEV3  {card.stem}" in runbook("list", env=here).stdout
    assert "renew_certificate" in runbook("show", card.stem, env=here).stdout

    tried = runbook("test", card.stem, "--practice", HOST, "--format", "json", env=here)
    assert [check for check in json.loads(tried.stdout) if check["wrong"]] == []
    assert len(json.loads(tried.stdout)) == 9
    assert practice.status("https://localhost") == 200

    # What nothing cures any more is named by plain ansible as well, which fails on it.
    practice.inject(f"serve_tls 5\nsudo sh -c '{TRUST}'\ndocker restart school_mgmt_frontend")
    command = [
        "ansible-playbook",
        *["-i", str(site), "-l", HOST, "oncall.runbook.triage"],
        *["-e", "incident_name=certificate_renewal"],
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert told.returncode == 2, told.stdout
    assert "SEV3 certificate_renewal" in told.stdout + told.stderr


def test_a_card_that_is_wrong_is_one_clear_line(practice, runbook, site):
    (site / "incidents").mkdir()
    card = site / "incidents/slow_disk.yml"
    card.write_text(
        (EXAMPLES / "reboot_required.yml").read_text().replace("confirmed:", "confirm:")
    )
    here = {"RUNBOOK_INVENTORY": str(site)}
    ran = runbook("triage", "--format", "json", env=here)
    assert (ran.code, ran.host()["verdict"]) == (1, "error")
    assert f"{card}:2: confirmed is missing" in ran.host()["reason"]
    lint = runbook("lint", env=here)
    assert lint.code == 2
    assert f"{card}:24: confirm: unknown key; did you mean confirmed?" in lint.stdout
