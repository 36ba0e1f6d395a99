"""What `parse` says to people: which line, which field, what was expected, what to do."""

from __future__ import annotations

import pytest

from policies.kinds import KINDS, DataClass, KindInvalid, Problem, Waiver, is_ours, parse
from policies.kinds.words import end_of
from policies.manifests import Document, read_documents

HEAD = "apiVersion: bailiwick.dev/v1alpha1\n"


def read(text: str) -> Document:
    """The one document of a text."""
    (document,) = read_documents(text, "rules.yaml")
    assert isinstance(document, Document), document
    return document


def problems(text: str) -> tuple[Problem, ...]:
    """All that is wrong with the one document of a text."""
    with pytest.raises(KindInvalid) as caught:
        parse(read(text))
    return caught.value.problems


JURISDICTION = (
    HEAD
    + """kind: Jurisdiction
metadata:
  name: eu
spec:
  locatedIn:
    countries: [DE, NO]
  transfers:
  - name: backups
    to: {countries: [UK]}
    what: [backups]
    basis: GDPR 45
    expries: 2027-01-01
  confidence:
  - verifed
"""
)


def data_class(**said: object) -> dict[str, object]:
    """A good DataClass, but for what is said."""
    least = {
        "apiVersion": "bailiwick.dev/v1alpha1",
        "kind": "DataClass",
        "metadata": {"name": "a"},
        "spec": {"rank": 3},
    }
    return {**least, **said}


@pytest.mark.parametrize("name", ["Germany", "de", "DEU"])
def test_a_country_by_another_name_is_told_its_form(name: str) -> None:
    """A name is no code that is too long: what is expected is said, with an example."""
    spec = f"spec: {{locatedIn: {{countries: [{name}]}}}}"
    (found,) = problems(f"{HEAD}kind: Jurisdiction\nmetadata: {{name: eu}}\n{spec}\n")
    assert found.message == f"expected an ISO 3166-1 alpha-2 country code, not `{name}`"
    assert found.hint == "for example `DE`"


def test_lines_and_hints() -> None:
    """Every problem stands at its line, in the order of lines, and says what to do."""
    found = [(problem.line, problem.field, problem.message, problem.hint) for problem in problems(JURISDICTION)]
    assert found == [
        (
            7,
            "spec.locatedIn.countries[1]",
            "expected an ISO 3166-1 alpha-2 country code, not the boolean `false`",
            "YAML reads an unquoted yes, no, on, off, y or n as a boolean (Norway's `NO` too): put it in quotes",
        ),
        (
            10,
            "spec.transfers[0].to.countries[0]",
            "expected an ISO 3166-1 alpha-2 country code, not `UK`",
            "the code of the United Kingdom is `GB`",
        ),
        (13, "spec.transfers[0].expries", "unknown field", "did you mean `expires`?"),
        (
            15,
            "spec.confidence[0]",
            "expected `verified`, `code`, `secondary` or `inferred`, not `verifed`",
            "did you mean `verified`?",
        ),
    ]


def test_voice() -> None:
    """A problem reads as one line with source, line and field, as a compiler's message does."""
    first = problems(JURISDICTION)[0]
    assert str(first) == (
        "rules.yaml:7: `spec.locatedIn.countries[1]`: expected an ISO 3166-1 alpha-2 country code, "
        "not the boolean `false`"
    )


def test_field_in_the_wrong_place() -> None:
    """A field that exists elsewhere in the kind is sent there."""
    (found, *_) = problems(HEAD + "kind: DataClass\nmetadata: {name: a}\nspec:\n  rank: 1\n  residency: true\n")
    assert (found.line, found.message, found.hint) == (
        6,
        "unknown field here",
        "`residency` belongs in `spec.requires.residency`",
    )


def test_unknown_field_names_the_known() -> None:
    """A field that resembles nothing is answered with what may stand there."""
    (found,) = problems(HEAD + "kind: DataClass\nmetadata: {name: a}\nspec: {rank: 1, zzz: 2}\n")
    assert found.hint == "known here: `rank`, `requires`"


def test_missing_field() -> None:
    """A missing field is reported at its parent's line, with what it is for."""
    (found,) = problems(HEAD + "kind: DataClass\nmetadata: {name: a}\n\nspec:\n  requires: {}\n")
    assert (found.line, found.field, found.message) == (5, "spec.rank", "missing")
    assert "0 to 1000" in found.hint


@pytest.mark.parametrize(
    ("head", "field", "hint"),
    [
        ("apiVersion: bailiwick.dev/v1\nkind: DataClass", "apiVersion", f"write `{HEAD.strip()}`"),
        ("apiVersion: bailiwik.dev/v1alpha1\nkind: DataClass", "apiVersion", f"write `{HEAD.strip()}`"),
        (HEAD + "kind: Dataclass", "kind", "did you mean `DataClass`?"),
        (HEAD + "kind: SovereigntyPolicies", "kind", "did you mean `SovereigntyPolicy`?"),
        (HEAD + "kind: 5", "kind", f"known are {', '.join(f'`{name}`' for name in KINDS)}"),
        (HEAD.strip(), "kind", f"known are {', '.join(f'`{name}`' for name in KINDS)}"),
    ],
)
def test_misspelt_kinds(head: str, field: str, hint: str) -> None:
    """An object whose apiVersion or kind is slightly wrong is still taken for ours, and put right."""
    document = read(f"{head}\nmetadata: {{name: a}}\nspec: {{rank: 1}}\n")
    assert is_ours(document.value)
    (found,) = problems(f"{head}\nmetadata: {{name: a}}\nspec: {{rank: 1}}\n")
    assert (found.field, found.hint) == (field, hint)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        {},
        {"apiVersion": "v1", "kind": "Pod"},
        {"apiVersion": "security.example.com/v1", "kind": "TrustPolicy"},
        {"apiVersion": ["bailiwick.dev/v1alpha1"], "kind": "DataClass"},
        {"apiVersion": "v1", "kind": {}},
    ],
)
def test_not_ours(value: object) -> None:
    """Other objects, and things that are none, are left to others."""
    assert not is_ours(value)


def test_bare_mapping() -> None:
    """Objects that come without a text, from the API server for instance, are read too; their problems have no line."""
    found = parse(data_class())
    assert isinstance(found, DataClass)
    assert found.spec.rank == 3
    with pytest.raises(KindInvalid) as caught:
        parse(data_class(spec={}))
    assert (caught.value.name, str(caught.value)) == ("a", "`spec.rank`: missing")


def test_as_the_api_server_gives_it() -> None:
    """What the API server adds to metadata and status doesn't matter."""
    metadata = {
        "name": "a",
        "uid": "1",
        "resourceVersion": "7",
        "generation": 2,
        "creationTimestamp": "2026-11-20T08:00:00Z",
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
        "finalizers": ["example.com/x"],
        "ownerReferences": [],
    }
    value = data_class(metadata=metadata, status={})
    assert parse(value).metadata.name == "a"


def test_frozen() -> None:
    """A parsed object can't be changed: it is what was read."""
    found = parse(data_class())
    with pytest.raises(ValueError, match="frozen"):
        found.spec = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2027-12-31", "2028-01-01T00:00:00+00:00"),
        ("2028-02-28", "2028-02-29T00:00:00+00:00"),
        ("2027-12-31T12:00:00+02:00", "2027-12-31T12:00:00+02:00"),
        ("2027-12-31T12:00:00.123456789Z", "2027-12-31T12:00:00.123456+00:00"),
    ],
)
def test_ends(text: str, end: str) -> None:
    """A date counts to the end of its day in UTC, a time to its moment."""
    assert end_of(text).isoformat() == end


def test_last_day_of_all() -> None:
    """The last day of the calendar ends, too."""
    waiver = {
        "apiVersion": "bailiwick.dev/v1alpha1",
        "kind": "Waiver",
        "metadata": {"name": "a"},
        "spec": {"policies": ["p"], "subject": {"names": ["a"]}, "justification": "x", "expires": "9999-12-31"},
    }
    found = parse(waiver)
    assert isinstance(found, Waiver)
    assert found.spec.ends.year == 9999
