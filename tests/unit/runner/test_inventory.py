"""Which inventory is in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncall_runbook.errors import BadInputError
from oncall_runbook.run.inventory import Inventory, plugins, resolve

LOCAL = Path("/collection/inventory/local.yml")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "oncall_runbook.run.inventory.SYSTEM_CONFIG", tmp_path / "etc" / "ansible.cfg"
    )
    tmp_path.chmod(0o755)


def test_without_anything_it_is_this_machine() -> None:
    assert resolve(None, "", {}, LOCAL) == Inventory((str(LOCAL),), "this machine")


def test_the_option_wins_and_a_host_list_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "hosts.ini").touch()
    environ = {"ANSIBLE_INVENTORY": "other.ini"}
    found = resolve("hosts.ini", "option -i", environ, LOCAL)
    assert str(found) == f"{tmp_path}/hosts.ini (option -i)"
    assert resolve("web1,", "option -i", environ, LOCAL).sources == ("web1,",)


def test_the_config_in_force_and_its_own_directory(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/a.ini").touch()
    config = tmp_path / "etc/ansible.cfg"
    config.write_text("[defaults]\ninventory = a.ini ; the fleet\n")
    found = resolve(None, "", {"ANSIBLE_CONFIG": str(config)}, LOCAL)
    assert found == Inventory((str(tmp_path / "etc/a.ini"),), str(config))


def test_a_config_here_counts_unless_everyone_may_write_here(tmp_path: Path) -> None:
    (tmp_path / "a.ini").touch()
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninventory=a.ini\n")
    assert resolve(None, "", {}, LOCAL).sources == (str(tmp_path / "a.ini"),)
    tmp_path.chmod(0o777)
    assert resolve(None, "", {}, LOCAL).sources != (str(tmp_path / "a.ini"),)


@pytest.mark.parametrize("path", ["nope.ini", "", " "])
def test_a_path_that_does_not_exist_is_never_taken_for_a_host(path: str) -> None:
    with pytest.raises(BadInputError, match="does not exist"):
        resolve(path, "option -i", {}, LOCAL)


def test_a_broken_config_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text("inventory = x\n")
    with pytest.raises(BadInputError, match=r"ansible\.cfg cannot be read"):
        resolve(None, "", {}, LOCAL)


def test_files_of_yaml_need_two_plugins_unless_somebody_chose_others(tmp_path: Path) -> None:
    fleet, script, other = (tmp_path / name for name in ("a.yml", "b.yml", "c.ini"))
    for path in (fleet, script, other):
        path.touch()
    script.chmod(0o755)
    assert plugins([str(fleet)], {}) == "auto,yaml"
    for sources in ([str(fleet), str(other)], [str(script)], ["web1,"], [str(tmp_path)]):
        assert plugins(sources, {}) == ""
    assert plugins([str(fleet)], {"ANSIBLE_INVENTORY_ENABLED": "ini"}) == ""
    (tmp_path / "ansible.cfg").write_text("[inventory]\nenable_plugins = my.own.plugin\n")
    assert plugins([str(fleet)], {}) == ""
