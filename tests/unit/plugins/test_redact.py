"""A canary in every place where secrets stand."""

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils.redact import MASK, clean, redact
from hypothesis import given
from hypothesis import strategies as st

CANARY = "c4nary-Tr33top"


@pytest.mark.parametrize(
    "text",
    [
        f"POSTGRES_PASSWORD={CANARY}",
        f'"DB_PASSWORD={CANARY}",',
        f"      JWT_SECRET: {CANARY}",
        f"      CSRF_SECRET: '{CANARY}'",
        f'{{"password": "{CANARY}", "user": "a"}}',
        f"postgres://app:{CANARY}@db:5432/school",
        f"redis://:{CANARY}@cache:6379",
        f"Authorization: Bearer {CANARY}",
        f"--api-key={CANARY}",
        f"PRIVATE_KEY=0x{'ab' * 32} {CANARY}_PASSWORD={CANARY}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
        "password: two words and " + f"pwd={CANARY}",
    ],
)
def test_no_secret_stays(text):
    masked = redact(text)
    assert CANARY not in masked.replace(f"{CANARY}_PASSWORD", "")
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    [
        "error: Error: Unauthorized. Please provide valid tokens.",
        'FATAL:  password authentication failed for user "postgres"',
        "GET http://localhost:5007/health 200",
        "0x5FbDB2315678afecb367f032d93F642f64180aa3",
    ],
)
def test_what_is_no_secret_stays_readable(text):
    assert redact(text) == text


def test_a_secret_seen_in_one_answer_is_masked_in_all():
    data = {"inspect": f"DB_PASSWORD={CANARY}", "log": [f"connecting with {CANARY}"], "n": 1}
    assert clean(data) == {
        "inspect": f"DB_PASSWORD={MASK}",
        "log": [f"connecting with {MASK}"],
        "n": 1,
    }


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing_more(text):
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize(
    "text",
    [
        'duplicate key value violates unique constraint "user_refresh_tokens_token_key"',
        "insert into user_refresh_tokens: permission denied",
        "error: column t.token_hash: no such column",
        "open /run/secrets/db_password: no such file or directory",
        "token_service: Exited (1) 2 seconds ago",
        "school_secrets_data: 1.2 GB",
        "token-service: Up 3 minutes (unhealthy)",
    ],
)
def test_the_name_of_a_thing_is_no_secret_and_what_is_said_of_it_neither(text):
    assert redact(text) == text
    assert clean({"service": text, "secret-store": "Exited (1)"}) == {
        "service": text,
        "secret-store": "Exited (1)",
    }


@pytest.mark.parametrize("text", ["password: exited", "token: 7MBx-9", "db_password=not found"])
def test_a_secret_that_begins_like_a_word_is_masked(text):
    assert redact(text) != text
