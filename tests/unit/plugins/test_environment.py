"""Environments in evidence: the names of all, the values of few."""

import json

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils.environment import masked
from ansible_collections.oncall.runbook.plugins.plugin_utils.redact import MASK

SECRET = "correct-horse-7"

COMPOSE = """\
x-api-env: &api
  GREETING: {0}
services:
  backend:
    image: api:1.2
    env_file:
      - .env
    environment:
      <<: *api
      NODE_ENV: production
      DB_HOST: postgres  # the service
      LICENCE: {0}
      "QUOTED": "{0}"
      BLOCK: |
        {0}
        and more
      INHERITED:
    ports: ["5007:5007"]
  worker:
    environment:
    - LICENCE={0}
    - 'ODD={0}'
    - PORT=80
    - RPC=https://node.example/{0}
    command: run
  other:
    environment: {{LICENCE: {0}}}
    labels: {{a: b}}
"""


def test_of_a_compose_file_names_stay_and_values_go():
    found = masked(COMPOSE.format(SECRET))
    assert SECRET not in found
    for line in (
        "    image: api:1.2",
        "      - .env",
        "      <<: *api",
        "      NODE_ENV: production",
        "      DB_HOST: postgres  # the service",
        f"      LICENCE: {MASK}",
        "      INHERITED:",
        '    ports: ["5007:5007"]',
        f"    - LICENCE={MASK}",
        "    - PORT=80",
        f"    - RPC=https://node.example{MASK}",
        "    command: run",
        "    labels: {a: b}",
    ):
        assert line in found.split("\n"), line


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        (f"GREETING={SECRET}", f"GREETING={MASK}"),
        (f'QUOTED=a "{SECRET}" b', f"QUOTED={MASK}"),
        ("NODE_ENV=production", "NODE_ENV=production"),
        ("PG_MAJOR=16", "PG_MAJOR=16"),
        ("POSTGRES_DB=school_mgmt", "POSTGRES_DB=school_mgmt"),
        (f"AMQP_URL=amqp://user:{MASK}@mq:5672", f"AMQP_URL=amqp://user:{MASK}@mq:5672"),
        (f"HOOK=https://{SECRET}@mq/x", f"HOOK={MASK}"),
        ("EMPTY=", "EMPTY="),
    ],
)
def test_as_docker_inspect_prints_them(entry, shown):
    text = json.dumps({"Config": {"Env": [entry], "Image": "a=b"}}, indent=4)
    assert json.loads(masked(text)) == {"Config": {"Env": [shown], "Image": "a=b"}}


def test_what_is_no_compose_file_is_read_as_it_is():
    log = "2026-11-25 environment: production\n  KEY: value"
    assert masked(log) == log
