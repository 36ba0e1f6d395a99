"""The compiled data and the YAML it comes from."""

import pytest

from policies.workloads.catalogue.compile import CatalogueMalformed, compiled_catalogue, outputs


def test_compiled_files_agree_with_their_yaml():
    """What is read at run time is what the YAML files say."""
    for path, wanted in outputs().items():
        assert path.read_bytes() == wanted, f"{path.name} is stale: `compile --write` writes it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {group: a", "mine.yaml:1"),
        ("a: 1", "a catalogue is a list"),
        ("- {group: a, kind: B, versions: [v1]}\n- {kind: C, versions: [v1]}", "mine.yaml:2.*`group` must be text"),
        ("\n\n- {group: a, kind: B}", "mine.yaml:3.*`versions` must be a list"),
        ("- {group: a, kind: B, versions: [v1], podz: []}", "`podz` is no field"),
        ("- {group: a, kind: B, versions: [v1], images: [a..b]}", "`a..b` can't be read from character 2"),
        ("- {group: a, kind: B, versions: [v1], images: ['a[0']}", "can't be read"),
        ("- {group: a, kind: B, versions: [v1], images: 7}", "`images` must be a list"),
        ("- {group: a, kind: B, versions: [v1], pods: [{spec: spec}]}", "needs `template`"),
    ],
)
def test_errors_say_where_and_what_to_do(text, message):
    """A mistake in a catalogue names the file, the line and the remedy."""
    with pytest.raises(CatalogueMalformed, match=message):
        compiled_catalogue(text, "mine.yaml")
