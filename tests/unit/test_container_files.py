"""What `ci/run-in-container` has for Ansible's own tools: they read it, and as it is meant."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import yaml

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "ci/run-in-container"
BIN = Path(sys.executable).parent


def run(program, *arguments, cwd):
    return subprocess.run(
        [BIN / program, *arguments], cwd=cwd, capture_output=True, text=True, check=True
    ).stdout


def test_ansible_builder_makes_an_environment_on_the_image_of_the_command(tmp_path):
    definition = PLACE / "execution-environment.yml"
    run("ansible-builder", "create", "--file", definition, "--context", ".", cwd=tmp_path)
    made = (tmp_path / "Dockerfile").read_text().splitlines()
    assert 'ARG EE_BASE_IMAGE="runbook:latest"' in made
    assert made[-2:] == ['ENTRYPOINT ["tini", "--", "named"]', 'CMD ["bash"]']
    users = [line for line in made if line.startswith("USER ")]
    assert users == ["USER root", "USER 1000"]


def test_ansible_navigator_takes_the_settings(tmp_path):
    told = ["--schema", "json", "--ee", "false", "--mode", "stdout", "--log-file", "log"]
    schema = json.loads(run("ansible-navigator", "settings", *told, cwd=tmp_path))
    settings = yaml.safe_load((PLACE / "ansible-navigator.yml").read_text())
    jsonschema.validate(settings, schema)
    options = settings["ansible-navigator"]["execution-environment"]["container-options"]
    assert {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"} <= {*options}
