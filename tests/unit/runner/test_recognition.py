"""What services are: as they stand in well-known public compose files (facts only)."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncall_runbook.discovery.recognition import Service, parts_of, recognised

KNOWN = Path(__file__).with_name("known_services.txt").read_text()
ENTRY = "docker-entrypoint.sh"


def service(line: str) -> tuple[Service, str]:
    head, ports, kind = (cell.strip() for cell in line.rsplit("|", 2))
    _project, name, image, command = (cell.strip() for cell in head.split(" | ", 3))
    exposed = [int(port) for port in ports.split()]
    return Service(name=name, image=image, command=command.split(), exposed=exposed), kind


ROWS = [line for line in KNOWN.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("line", ROWS, ids=lambda line: "-".join(line.split(" | ")[:2]))
def test_services_of_well_known_stacks_are_what_they_are(line: str) -> None:
    known, kind = service(line)
    assert recognised(known).kind == kind


def test_there_are_sixty_of_them() -> None:
    assert len(ROWS) >= 60


def test_the_parts_of_the_stack_this_was_written_for() -> None:
    stack = [
        Service("postgres", "school_mgmt/postgres", [ENTRY, "postgres"], {5432: 5433}),
        Service("redis", "school_mgmt/redis", [ENTRY, "redis-server"], {6379: 6379}),
        Service("blockchain", "app-chain", ["npx", "hardhat", "node"], {8545: 8545}),
        Service(
            "pdf-service", "app-pdf", ["node", "server.js"], {8080: 8080}, environment=["PORT"]
        ),
        Service(
            "backend",
            "app-backend",
            ["node", "src/server.js"],
            {5007: 5007},
            environment=["PORT", "DATABASE_URL", "REDIS_URL"],
        ),
        Service("frontend", "app-frontend", ["nginx", "-g", "daemon off;"], {80: 80}),
    ]
    found = {part: [one.name for one in likely] for part, likely in parts_of(stack).items()}
    assert found == {
        "backend": ["backend", "pdf-service"],
        "frontend": ["frontend"],
        "database": ["postgres"],
        "blockchain": ["blockchain"],
        "cache": ["redis"],
    }
