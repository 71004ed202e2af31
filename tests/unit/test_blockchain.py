"""What is read of the chain's node and the API's settings: recorded answers, through the shell."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from shells import SHELL

ROLES = Path(__file__).parents[2] / "roles"
WORDS = "".join(
    f". {ROLES}/{library}\n"
    for library in ("stack/files/stack.sh", "blockchain_service_unavailable/files/blockchain.sh")
)
NODE_AWK = ROLES / "blockchain_service_unavailable/files/node.awk"
OLD = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
NEW = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"


def shell(script, **environment):
    done = subprocess.run(
        [*SHELL, "-c", f"{WORDS}\n{script}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NODE_AWK": NODE_AWK.read_text(), **environment},
    )
    return done.stdout


def block(transactions, timestamp=1000, **first):
    fields = {"hash": "0xab", "timestamp": hex(timestamp), "transactions": transactions}
    return {**first, "result": {**fields, "withdrawals": []}}


def facts(answers, url="http://localhost:8545", seconds=0):
    """What node_facts makes of a batch of answers, 60 s after the blocks' time."""
    told = "fetch() { printf '%s' \"$ANSWERS\"; }\ndate() { echo 1060; }\n"
    told += f'node_facts "{url}" {OLD} {seconds}'
    return json.loads("{" + shell(told, ANSWERS=json.dumps(answers)) + "}")


NODE = [
    {"jsonrpc": "2.0", "id": 1, "result": "HardhatNetwork/2.29.1/x"},
    {"jsonrpc": "2.0", "id": 2, "result": "0x7a69"},
    {"jsonrpc": "2.0", "id": 3, "result": "0x4"},
    {"jsonrpc": "2.0", "id": 4, "result": "0x60806040"},
    {"jsonrpc": "2.0", "id": 6, "result": False},
]


def test_a_quiet_chain_has_nothing_pending():
    found = facts([*NODE, block([], id=7)])
    assert (found["chain_id"], found["block"], found["contract_bytes"]) == (31337, 4, 4)
    assert (found["pending"], found["syncing"], "block_age" in found) == (0, "", False)


@pytest.mark.parametrize("id_stands_behind", [False, True])
def test_pending_transactions_are_told_from_those_of_the_newest_block(id_stands_behind):
    newest, pending = block(["0x1"], id=5), block(["0x2", "0x3"], 1050, id=7)
    if id_stands_behind:
        newest, pending = (dict(reversed(answer.items())) for answer in (newest, pending))
    found = facts([*NODE, newest, pending], seconds=1)
    assert (found["pending"], found["block_age"]) == (2, 60)


def test_a_node_that_syncs_or_stands_alone_is_not_in_step():
    syncing = {"id": 6, "result": {"currentBlock": "0xc", "highestBlock": "0x63"}}
    assert facts([*NODE[:4], syncing])["syncing"] == "it has block 12 of 99"
    old = [*NODE, block([], 100, id=5), {"id": 8, "result": "0x0"}]
    alone = facts(old, "https://rpc.example.org")["syncing"]
    assert alone == "it has no peers, and its newest block is 960 s old"


SETTINGS = {
    "the real one": (
        {
            "BLOCKCHAIN_NETWORK": "localhost",
            "LOCALHOST_RPC_URL": "http://blockchain:8545",
            "SEPOLIA_RPC_URL": "https://sepolia.example.org",
            "BLOCKCHAIN_CONTRACT_ADDRESS": OLD,
        },
        ["localhost", "http://blockchain:8545", OLD],
    ),
    "a public network": (
        {
            "LOCALHOST_RPC_URL": "http://blockchain:8545",
            "SEPOLIA_RPC_URL": "https://sepolia.example.org/v3/key=1",
            "BLOCKCHAIN_NETWORK": "sepolia",
            "BLOCKCHAIN_CONTRACT_ADDRESS": OLD,
        },
        ["sepolia", "https://sepolia.example.org/v3/key=1", OLD],
    ),
    "other names": (
        {"BLOCKCHAIN_RPC_URL": "http://node:8545", "CONTRACT_ADDRESS": OLD},
        ["", "http://node:8545", OLD],
    ),
    "none": ({"NODE_ENV": "production"}, ["", "", ""]),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_apis_settings_of_its_chain(name):
    settings, expected = SETTINGS[name]
    lines = "\n".join(f"{key}={value}" for key, value in settings.items())
    told = "api_environment() { printf '%s\\n' \"$SETTINGS\"; }\napi_chain"
    assert shell(told, SETTINGS=lines).splitlines() == expected


def test_a_public_network_has_an_id_of_its_own():
    assert (
        shell("expected_chain 31337 sepolia; expected_chain 31337 localhost") == "11155111\n31337\n"
    )


ELSEWHERE = """
container() { echo id; }
docker() { case $1 in exec) printf '%s\\n' "$FILES" ;; logs) printf '%s\\n' "$LOG" ;; esac; }
node_facts() { [ "$2" = "$CODE" ] && echo '"contract_bytes":5' || echo '"contract_bytes":0'; }
"""


@pytest.mark.parametrize(
    ("files", "log", "code", "expected"),
    [
        (f'  "contractAddress": "{NEW}",', "", NEW, f"{NEW} deployments\n"),
        (f'  "address": "{OLD}",', f"  Contract address:  {NEW}", NEW, f"{NEW} log\n"),
        ("", f"StudentCertificate deployed to: {NEW}", NEW, f"{NEW} log\n"),
        # An address without code is nobody's contract.
        (f'  "address": "{NEW}",', "", "0x1", ""),
        ("", "Contract address: 0x12", "0x12", ""),
    ],
)
def test_where_else_the_contract_is(files, log, code, expected):
    told = f"{ELSEWHERE}\ncontract_elsewhere http://localhost:8545 {OLD}"
    assert shell(told, FILES=files, LOG=log, CODE=code) == expected


def test_a_chain_that_makes_blocks_while_transactions_wait_is_well():
    told = """
    sleep() { :; }
    node_facts() { echo '"pending":1,"block":6,"block_age":3'; }
    pending_seconds url '"pending":1,"block":5'
    pending_seconds url '"pending":0,"block":5'
    pending_seconds url '"pending":1,"block":6'
    """
    assert shell(told).split() == ["0", "0", "3"]
