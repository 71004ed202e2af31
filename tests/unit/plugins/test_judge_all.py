"""Which hosts of a play share what their inputs come to."""

import types

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.oncall.runbook.plugins.action.judge_all import _OfMany, likeness


def variables(name, **given):
    own = {"inventory_hostname": name, "ansible_host": f"10.0.0.{name[-1]}", "group_names": ["web"]}
    return {**own, "groups": {"all": ["web1", "web2"]}, "stack_dir": "/srv/school", **given}


def alike(one=None, other=None):
    return likeness(variables("web1", **(one or {}))) == likeness(
        variables("web2", **(other or {}))
    )


def test_hosts_that_differ_by_name_and_address_are_alike():
    assert alike()
    same = {"base": "/srv", "stack_dir": "{{ base }}/school", "ansible_port": "{{ 2200 + 1 }}"}
    assert alike(same, same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"stack_dir": "/srv/a"}, {"stack_dir": "/srv/b"}),
        ({"stack_services": {"backend": "api"}}, {}),
        ({"base": "/a"}, {"base": "/b"}),
        ({"group_names": ["db"]}, {}),
    ],
)
def test_those_with_other_variables_are_not(one, other):
    assert not alike(one, other)


@pytest.mark.parametrize(
    "text",
    [
        "/srv/{{ inventory_hostname }}",
        "{{ ansible_host }}",
        "{{ hostvars[groups.all[0]].x }}",
        "{% if 'db' in group_names %}a{% endif %}",
        "{{ lookup('file', '/x') }}",
        "{{ 9 | random }}",
        "{{ now() }}",
    ],
)
def test_nor_are_those_whose_templates_may_come_to_something_else(text):
    assert not alike({"stack_dir": text}, {"stack_dir": text})
    assert not alike({"x": [{"deep": text}]}, {"x": [{"deep": text}]})


def test_nor_are_those_with_vaulted_values(tmp_path):
    vault = VaultLib([("default", VaultSecret(b"word"))])
    texts = [vault.encrypt(b"secret").decode().replace("\n", "\n  ") for _ in range(2)]
    loader = DataLoader()
    read = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yml").write_text(f"password: !vault |\n  {text}\n")
        read.append(loader.load_from_file(str(tmp_path / f"{number}.yml")))
    assert not alike(*read)
    assert not alike(read[0], read[0])


@pytest.mark.parametrize(
    ("run", "asked"),
    [
        ("look {{ stack_dir }}", ["look /srv/school", "look /srv/school"]),
        ("look {{ inventory_hostname }}", ["look web1", "look web2"]),
    ],
)
def test_alike_hosts_share_a_question_but_what_is_their_own(run, asked):
    shared, rendered = {}, []
    for name in ("web1", "web2"):
        host = _OfMany.__new__(_OfMany)
        known = variables(name)
        host.templated = shared
        host._templar = types.SimpleNamespace(available_variables=known, template=lambda text: text)
        rendered.append(host.question({"id": "it", "run": run}))
    assert [question.command for question in rendered] == asked
    assert (rendered[0] is rendered[1]) is (asked[0] == asked[1])
