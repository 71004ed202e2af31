"""What the project uses of its libraries beyond what they promise.

A release that changes it is seen here. Each case names who uses it.
"""

import inspect
import io

import ansible_runner
import asyncssh
import pexpect
import pytest
import yaml
from ansible._internal._datatag._tags import Origin
from ansible.module_utils.common import yaml as common_yaml
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.yaml.loader import AnsibleLoader
from ansible.playbook.play_context import PlayContext
from ansible.plugins import loader
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.template import Templar, is_trusted_as_template, trust_as_template
from ansible.utils import plugin_docs
from ansible.utils.collection_loader import _collection_finder
from ansible.vars.hostvars import HostVars
from ansible_runner.display_callback.callback import awx_display
from receptorctl.socket_interface import ReceptorControl


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_what_is_remembered_of_yaml_has_its_place():
    """runner/oncall_runbook/run/ansible_playbook.py puts a reader of its own where these stand."""
    assert parameters(_collection_finder._meta_yml_to_dict) == ["yaml_string_data", "content_id"]
    assert common_yaml.yaml_load("a: 1") == common_yaml.yaml_load(io.StringIO("a: 1")) == {"a": 1}
    assert loader.yaml is plugin_docs.yaml is yaml
    for function in (loader.PluginLoader._load_config_defs, plugin_docs.add_fragments):
        assert "yaml.load(" in inspect.getsource(function)


def test_trust_goes_from_a_text_to_what_is_read_from_it():
    """runner/oncall_runbook/run/ansible_playbook.py gives it back to what was kept."""
    read = yaml.load(trust_as_template("default: '{{ x }}'"), Loader=AnsibleLoader)
    assert is_trusted_as_template(read["default"])


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("_low_level_execute_command", ["self", "cmd", "sudoable", "in_data", "executable"]),
        ("validate_argument_spec", ["self", "argument_spec"]),
    ],
)
def test_an_action_asks_its_host_as_before(name, first):
    """plugins/plugin_utils/host_action.py"""
    assert parameters(getattr(ActionBase, name))[: len(first)] == first


def test_a_host_of_many_is_known_as_a_task_would_know_it():
    """plugins/action/judge_all.py"""
    assert parameters(HostVars.raw_get) == ["self", "host_name"]
    asked = parameters(ConnectionBase._resolve_option_variables)
    assert asked == ["self", "variables", "templar"]
    assert {"timeout", "password", "become"} <= set(dir(PlayContext()))


def test_asyncssh_checks_no_key_where_it_is_told_of_no_file():
    """plugins/plugin_utils/wire.py never tells it so."""
    assert "self.known_hosts = None" in inspect.getsource(
        asyncssh.SSHClientConnectionOptions.prepare
    )


def test_a_value_tells_the_file_that_it_comes_from(tmp_path):
    """plugins/plugin_utils/vaulted.py"""
    (tmp_path / "vars.yml").write_text("a: [text]")
    read = DataLoader().load_from_file(str(tmp_path / "vars.yml"))
    assert Origin.get_tag(read["a"][0]).path == str(tmp_path / "vars.yml")


def test_an_expression_is_evaluated_with_variables_of_its_own():
    """plugins/plugin_utils/host_action.py"""
    assert parameters(Templar.evaluate_expression)[:3] == ["self", "expression", "local_variables"]
    templar = Templar(variables={"a": 1})
    templar.available_variables = {"a": 2}
    assert templar.template(trust_as_template("{{ a }}")) == 2


def test_a_run_is_prepared_and_then_adapted():
    """runner/oncall_runbook/run/engine.py changes these between prepare() and Runner()."""
    source = inspect.getsource(ansible_runner.Runner.run)
    for name in ("pexpect_timeout", "suppress_output_file", "command", "env"):
        assert f"self.config.{name}" in source
    assert "pexpect.spawn(" in source


def test_pexpect_sleeps_where_it_is_told_not_to():
    """runner/oncall_runbook/run/engine.py"""
    with pexpect.spawn("true") as process:
        assert process.ptyproc.delayafterclose > 0


def test_the_length_of_a_result_can_be_set():
    """runner/oncall_runbook/run/engine.py"""
    assert 'os.getenv("MAX_EVENT_RES"' in inspect.getsource(awx_display)


def test_a_session_with_receptor_has_its_socket():
    """runner/oncall_runbook/run/mesh.py speaks over it once a service is connected."""
    session = ReceptorControl("/nowhere")
    assert (session._socket, session._sockfile) == (None, None)
    assert "self.handshake()" in inspect.getsource(ReceptorControl.connect)
    words = ["self", "node", "service", "tlsclient"]
    assert parameters(ReceptorControl.connect_to_service) == words
