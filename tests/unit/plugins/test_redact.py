"""A canary in every place where secrets stand."""

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils.redact import (
    _IN_LINES,
    MASK,
    _has_stem,
    clean,
    redact,
)
from hypothesis import example, given
from hypothesis import strategies as st
from secret_forms import FORMS

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


HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PEM = "\n".join(
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"[n:] for n in range(4)
)
WALLET = "legal winner thank year wave sausage worth useful legal winner thank yellow"


@pytest.mark.parametrize("form", FORMS)
def test_no_form_lets_it_through(form):
    text = form.replace("{}", CANARY)
    assert CANARY not in redact(text)
    assert CANARY not in clean({"a": [text], "b": {"c": f"said {text}"}})["b"]["c"]
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "11AAAAAAA0" * 4,
        "glpat-" + "x1y2z3w4v5u6t7s8r9q0",
        "xoxb-" + "1234567890-abcdefghij",
        "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "whsec_" + "abcdefghij0123456789",
        "AIza" + "SyA1234567890abcdefghijklmnopqrstu",
        "ya29." + "a0AfH6SMBx1234567890",
        "SG." + "abcdefghijklmnop1234.abcdefghijklmnop1234",
        "npm_" + "abcdefghijklmnopqrstuvwxyz0123456789",
        "pypi-" + "AgEIcHlwaS5vcmcCJGFiY2RlZmdoaWprbG1ub3A",
        "dckr_pat_" + "abcdefghij0123456789",
        "sk-proj-" + "abcdefghij0123456789ABCD",
        "hf_" + "abcdefghijklmnopqrstuvwxyz01234567",
        "hvs." + "CAESIabcdefghijklmnopqrstuvwx",
        "shpat_" + "0123456789abcdef" * 2,
        "key-" + "0123456789abcdef" * 2,
        "110201543" + ":AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
        f"0x{HEX}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        WALLET,
        "test " * 11 + "junk",
        " ".join(WALLET.split() * 2),
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "failed: {} was refused", '{"x": "{}"}', "a={},b", "({})"]
)
def test_a_secret_is_known_by_its_shape(secret, around):
    assert secret not in redact(around.replace("{}", secret))


TIME, LATER = "2026-11-26T19:43:39.123456789Z", "2026-11-26T19:43:41Z"
TORN_BLOCKS = [
    # A block of YAML of one service, and between its lines those of others.
    "api-1  | password: |\ndb-1   | LOG:  checkpoint\napi-1  |   {}\napi-1  | up",
    "api-1  | password: |\napi-1  |   one\ndb-1   | LOG\nweb-1  | GET\napi-1  |   {}\n",
    "api-1  | password: |\napi-1  |   one\ndb-1   | LOG\napi-1  | \napi-1  |   {}",
    "api-1  | - api_key: >-\n\nno prefix\napi-1  |     {}\napi-1  |   other: b",
    "api-1  | [12:01] INFO: secret: |2-\ndb-1   |   sorted\napi-1  |  {}",
    "api-1  |   token: |\ndb-1   |   x: |\napi-1  |     one\ndb-1   | y\napi-1  |     {}",
    # Two at a time, the lines of one between those of the other.
    "a\tpassword: |\nb\ttoken: |\na\t  one\nb\t  {}\na\t  {}\nb\tup\na\t  {}",
    f"backend\t{TIME} password: |\nredis\t{TIME} ready\nbackend\t{LATER}   {{}}",
    f"{TIME} api-1  | password: |\n{TIME} db-1  | LOG\n{LATER} api-1  |   {{}}",
    f"host\tapi\t{TIME} password: |\nhost\tdb\t{TIME} LOG\nhost\tapi\t{LATER}   {{}}",
    "\x1b[36mapi-1  |\x1b[0m password: |\ndb-1   | LOG\n\x1b[36mapi-1  |\x1b[0m   {}",
]


@pytest.mark.parametrize("form", TORN_BLOCKS)
def test_a_block_goes_on_behind_what_others_log_between_its_lines(form):
    text = form.replace("{}", CANARY)
    assert CANARY not in redact(text)
    assert CANARY not in clean({"a": text})["a"]
    assert redact(redact(text)) == redact(text)


BESIDE_BLOCKS = [
    "api-1  | password: |\ndb-1   | LOG:  checkpoint\napi-1  | the API listens\napi-1  |   at 80",
    "api-1  | password: |\ndb-1   | LOG\nweb-1  |   served",
    "api-1  | help: |\ndb-1   | LOG\napi-1  |   more",
    "  api-1  | password: |\ndb-1   | LOG\napi-10 |   more",
    "password: |\ndb-1   | LOG\n  more of it",
    f"{TIME} password: |\n{TIME} db is up\n{LATER}   more of it",
]


@pytest.mark.parametrize("text", BESIDE_BLOCKS)
def test_what_stands_beside_a_block_or_behind_it_stays_readable(text):
    assert redact(text) == text


def test_of_a_torn_block_what_others_say_and_who_said_it_stays_readable():
    text = "api-1  | password: |\ndb-1   | LOG\napi-1  |   one\n\napi-1  | up\napi-1  |   two"
    assert redact(text) == text.replace("one", MASK)


@pytest.mark.parametrize("named", ["private key: {}", 'signer "{}', "wallet={}", '"key": "{}"'])
def test_a_key_without_0x_is_known_by_what_is_before_it(named):
    assert HEX not in redact(named.replace("{}", HEX))


@pytest.mark.parametrize(
    "text",
    [
        f"-----BEGIN PRIVATE KEY-----\n{PEM}\n",  # cut at its end
        f"{PEM}\n-----END RSA PRIVATE KEY-----\n",  # at its beginning
        "\n".join(
            f"2026-01-19T15:05:42Z {line}"
            for line in [
                "-----BEGIN EC PRIVATE KEY-----",
                *PEM.split("\n"),
                "-----END EC PRIVATE KEY-----",
            ]
        ),
        "\n".join(f"15:05 {line}" for line in [*PEM.split("\n"), "-----END PRIVATE KEY-----"]),
    ],
)
def test_no_line_of_a_private_key_stays(text):
    assert not any(line in redact(text) for line in PEM.split("\n"))


NEAR_MISSES = [
    f"sha256:{HEX}",
    f"school/backend:1.4.2-alpine@sha256:{HEX}",
    f"/var/lib/docker/containers/{HEX}/{HEX}-json.log",
    f'"Id": "{HEX}"',
    f"container {HEX} is not running",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "https://github.com/a/b/commit/9fceb02d0ae598e95dc970b74767f19372d61af8",
    "GET /api/v1/students/6ba7b810-9dad-11d1-80b4-00c04fd430c8 200",
    "GET /api/v1/6ba7b810-9dad-11d1-80b4-00c04fd430c8 200",
    "GET /api/v1/certificates/verification-of-everything 200",
    '"GET /api/v1/reports/2026-11-26T19-43-39 HTTP/1.1" 200',
    "/srv/backups/v1/school-20260119-030000.dump is broken",
    "2026-11-26T19:43:39Z password: |\n2026-11-26T19:43:40Z the API listens",
    "contract 0x5FbDB2315678afecb367f032d93F642f64180aa3 has no code",
    'duplicate key value violates unique constraint "users_email_key"',
    "Key (email)=(a@example.com) already exists.",
    'PRIMARY_KEY: "students_pkey"',
    "primary key (id), foreign key (student_id)",
    "user_profiles_pkey btree (id)",
    "sort_key=created_at cache_key=students:page:1",
    "2026-01-19 15:05:42@host restarted",
    "the key pair is 2048 bits",
    "disk-usage: 91 percent of /var/lib",
    "task-runner-for-nightly-exports exited",
    "msg.text.length is 7",
    "curl -s -u http://localhost:5007/health",
    "mysql -h db -P 3306 school",
    "password authentication failed for user app",
    "the database system is not yet accepting connections and will be ready in a moment",
    "waiting for every service of this stack to be up again after the restart of its host",
    "postgres:16-alpine redis:7-alpine nginx:1.26",
    "git@github.com:school/backend.git",
    "npm_package_name=backend npm_lifecycle_event=start",
    "?page=2&sort=name&limit=50",
]


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_what_only_looks_like_a_secret_stays_readable(text):
    assert redact(text) == text


PARTS = ["pass", "password", "API_KEY", "db-pat", "_SALT", "x", "-", "_", ".", " ", "\t", "\\"]
PARTS += ['"', "'", ":", "=", "{", "value1", "- ", "-pw", "token", "é", ","]


@example("API_KEY\\:password")
@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
def test_no_line_with_a_place_is_passed_over(line):
    if any(place.search(line) for place in _IN_LINES):
        assert _has_stem(line)


def test_data_without_secrets_is_returned_as_it_is():
    data = {"title": "The API answers", "rows": ["fine", 3, None], "password": ""}
    assert clean(data) is data
    assert clean(data, {"another-word"}) is data
    assert clean({"it": "said another-word"}, {"another-word"}) == {"it": f"said {MASK}"}
