"""Lines that are read at a glance, against the same lines read with care."""

import random
from functools import cache

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.workloads.catalogue.tables import table
from policies.workloads.commands.arguments import Variables, words_of
from policies.workloads.commands.commands import models_of_command, models_of_words
from policies.workloads.commands.scripts import is_plain
from policies.workloads.containers.lines import literal
from policies.workloads.reach.contacts import destinations_of_words
from tests.policies.workloads.table_of_expectations import SAMPLES

VALUES = """
org/name hf://a/b MODEL=hf://a/b s3://b/c https://a.example/x http://localhost:8000 http://s.ns.svc:80/x 0.0.0.0
10.0.0.1:6379 [::1]:80 db.example.com user@host.example:path /dev/tcp/1.2.3.4/80 -hdb.example.com upload
a.example:80 /usr/bin/bash /opt/vllm/bin/vllm /usr/bin/curl python3.11 /usr/bin/python3 node20 bash5 script.py
-c -m -e -ec --print --config --config=x.yaml --_config=x -_config upload hf - -- = -x.example.com
--proxy=tcp:db.example.com x --shell=/bin/sh --mod=z --model-p=a/b --model_pa=a/b {"model":"a/b"}
--host=a.example --upstream=b.example.com a=b=c $MODEL two\\ --revision=0123456789abcdef0123456789abcdef01234567
--revis=main --code-revision=x eval= =eval /eval eval
"""


@cache
def words():
    """What the tables know, each as it is, with a version, by its path, with a value; and other words."""
    models, facts = table("models"), table("facts")
    names = [name for row in models["flags"] for name in row["names"]]
    names += [word for row in models["commands"] for word in row["words"]]
    names += [
        *models["shells"],
        *facts["senders"],
        *facts["uploads"],
        "python",
        "node",
        "xargs",
        "base64",
        "eval",
        "su",
    ]
    written = ("{}", "{}3", "{}=a/b", "{}=x.example", "/bin/{}", "{}.1", "_{}")
    return [*VALUES.split(), *(form.format(name) for name in names for form in written)]


WORD = st.one_of(st.deferred(lambda: st.sampled_from(words())), st.text("ab-_=/.:$ \n\0@0", max_size=6))
LINE = st.lists(WORD, max_size=7)


def with_care(container):
    """What the words say when each is looked at."""
    read = words_of(container, "c.", Variables())
    return read, models_of_command(read, True), list(destinations_of_words(read))


def agrees(container):
    """Whether a glance and care say the same; None where there is no line to glance at."""
    line = literal(container, "c.")
    if line is None:
        return None
    read, models, contacts = with_care(container)
    assert line.words == read
    assert models_of_command(line.words, True, line.naming()) == models == models_of_words(read, True)
    assert list(destinations_of_words(line.words, line.leading())) == contacts
    assert is_plain(read) or not line.is_plain()
    return True


@settings(max_examples=1_500, deadline=None)
@given(LINE, LINE)
def test_a_glance_says_what_care_says(command, arguments):
    """Whatever the words are: the same models, the same contacts, and nothing that runs text passes for plain."""
    agrees({"command": command, "args": arguments})


@settings(max_examples=300, deadline=None)
@given(st.lists(WORD | st.none() | st.integers() | st.lists(WORD, max_size=1), max_size=4), st.none() | WORD | LINE)
def test_what_is_no_list_of_words_is_no_line(command, arguments):
    """Values of wrong types, texts that are scripts: glanced at only where care reads them as words, too."""
    agrees({"command": command, "args": arguments})


def test_lines_of_the_corpus_are_read_at_a_glance():
    """The quick way is taken: by two in five of the lines that people write, and nearly all of those are plain."""
    if not SAMPLES.is_dir():
        pytest.skip(f"the corpus is not there: {SAMPLES}")
    found = [one for path in sorted(SAMPLES.rglob("*.yaml")) for one in containers(path)]
    lines = [line for one in found if (line := literal(one, "c.")) is not None]
    assert all(agrees(one) is not False for one in found)
    assert len(lines) > 0.4 * len(found) > 50
    assert sum(line.is_plain() for line in lines) > 0.9 * len(lines)


def containers(path):
    """Everything in a file that has a command or arguments, in documents that can be read."""
    try:
        pending = list(yaml.load_all(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError:
        return
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            if isinstance(one.get("command"), list) or isinstance(one.get("args"), list):
                yield one
            pending += one.values()
        elif isinstance(one, list):
            pending += one


def test_a_flood_of_names_is_not_remembered():
    """A line that is longer than people write is read with care, so that what is remembered of names is bounded."""
    source = random.Random(1)
    long = ["--" + "".join(source.choices("abc", k=5_000))]
    assert literal({"args": long}, "c.") is None
    assert literal({"args": ["--x"] * 5_000}, "c.") is None
