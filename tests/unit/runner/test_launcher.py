"""What our ansible-playbook remembers of one run for the next."""

import io
import json
from datetime import date

import pytest
import yaml
from ansible.parsing.yaml.loader import AnsibleLoader
from ansible.template import is_trusted_as_template, trust_as_template

from oncall_runbook.run.ansible_playbook import cached, cached_documentation

TEXT = b"plugin_routing: {}\n"


@pytest.fixture
def parsed():
    """Remember which texts were parsed."""
    return []


@pytest.fixture
def metadata(parsed, tmp_path):
    def parse(text, *rest):
        parsed.append((text, *rest))
        return {"plugin_routing": {"modules": {"ping": {"redirect": "school.ping"}}}}

    return cached(parse, tmp_path / "cache")


def kept(tmp_path):
    return next((tmp_path / "cache").iterdir())


def test_a_text_is_parsed_once(metadata, parsed, tmp_path):
    first = metadata(TEXT, ("ansible.builtin", "runtime.yml"))
    assert metadata(TEXT.decode(), "another") == first
    assert parsed == [(TEXT, ("ansible.builtin", "runtime.yml"))]
    assert kept(tmp_path).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_another_text_is_parsed_anew(metadata, parsed):
    metadata(TEXT, "id")
    metadata(TEXT + b"# newer\n", "id")
    assert len(parsed) == 2


@pytest.mark.parametrize("mode", [0o660, 0o606])
def test_what_others_may_write_is_not_believed(metadata, parsed, tmp_path, mode):
    first = metadata(TEXT, "id")
    kept(tmp_path).write_text(json.dumps({"plugin_routing": "theirs"}))
    kept(tmp_path).chmod(mode)
    assert metadata(TEXT, "id") == first
    assert len(parsed) == 2


def test_nor_what_lies_where_others_may_write(metadata, parsed, tmp_path):
    first = metadata(TEXT, "id")
    kept(tmp_path).write_text(json.dumps({"plugin_routing": "theirs"}))
    (tmp_path / "cache").chmod(0o777)
    assert metadata(TEXT, "id") == first


def test_nor_a_link_to_it(metadata, tmp_path):
    first = metadata(TEXT, "id")
    name = kept(tmp_path)
    theirs = tmp_path / "theirs"
    theirs.write_text(json.dumps({"plugin_routing": "theirs"}))
    theirs.chmod(0o666)
    name.unlink()
    name.symlink_to(theirs)
    assert metadata(TEXT, "id") == first


def test_half_a_file_is_parsed_anew_and_mended(metadata, parsed, tmp_path):
    first = metadata(TEXT, "id")
    kept(tmp_path).write_text('{"plugin_rou')
    assert metadata(TEXT, "id") == first
    assert metadata(TEXT, "id") == first
    assert len(parsed) == 2


def test_a_file_is_read(metadata, parsed):
    first = metadata(TEXT)
    assert metadata(io.BytesIO(TEXT)) == metadata(io.StringIO(TEXT.decode())) == first
    assert parsed == [(TEXT,)]


@pytest.mark.parametrize("found", [{"due": date(2026, 1, 1)}, {1: "one"}, {"a": (1, 2)}, {("a",)}])
def test_what_json_cannot_hold_is_parsed_each_time(tmp_path, found):
    texts = []
    remembered = cached(lambda text: texts.append(text) or found, tmp_path / "cache")
    assert remembered(TEXT) == remembered(TEXT) == found
    assert len(texts) == 2


def test_without_a_place_each_run_parses(parsed, tmp_path):
    (tmp_path / "file").write_text("")
    metadata = cached(lambda *given: parsed.append(given) or {}, tmp_path / "file" / "cache")
    assert metadata(TEXT, "id") == metadata(TEXT, "id") == {}
    assert len(parsed) == 2


def templates(found):
    """Return every text in ``found`` that may be a template, with whether it is trusted."""
    if isinstance(found, dict):
        return [pair for value in found.values() for pair in templates(value)]
    if isinstance(found, list):
        return [pair for value in found for pair in templates(value)]
    is_one = isinstance(found, str) and "{" in found
    return [(found, is_trusted_as_template(found))] if is_one else []


DOCUMENTATION = """
options:
  directory: {default: "{{ ANSIBLE_HOME ~ '/cp' }}", type: path}
  names: {default: [plain, "{% if x %}y{% endif %}"], version_added: 2.19, required: false}
"""


@pytest.mark.parametrize("text", [trust_as_template(DOCUMENTATION), DOCUMENTATION])
def test_documentation_is_remembered_with_its_trust(tmp_path, text):
    plain = yaml.load(text, Loader=AnsibleLoader)
    load = cached_documentation(yaml.load, tmp_path / "cache")
    for _ in range(2):
        found = load(text, Loader=AnsibleLoader)
        assert found == plain
        assert templates(found) == templates(plain)
        assert len(templates(found)) == 2
