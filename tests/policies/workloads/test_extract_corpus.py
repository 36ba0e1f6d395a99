"""Manifests of other people's projects through the extractor."""

from pathlib import Path

import pytest
import yaml

from policies.workloads import extract, whole

SAMPLES = Path(__file__).parents[4] / "shared" / "corpora" / "workload-samples"


def documents():
    for path in sorted(SAMPLES.rglob("*")):
        if path.suffix in (".yaml", ".yml", ".md", ".in", ".json") and path.name != "SOURCES.md":
            try:
                for document in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader):
                    if isinstance(document, dict):
                        yield path.relative_to(SAMPLES), document
            except yaml.YAMLError:
                continue


@pytest.mark.skipif(not SAMPLES.exists(), reason="the corpus of workload samples is not beside the checkout")
def test_every_sample_goes_through():
    """No manifest makes the extractor fail, and the same manifest gives the same facts."""
    seen = 0
    for path, document in documents():
        assert whole(extract(document)) == whole(extract(document)), path
        seen += 1
    assert seen > 339
