"""Manifests as text turned into located documents: YAML and JSON as kubectl reads them, one bad document at a time."""

from policies.manifests.document import Document, Unreadable
from policies.manifests.lines import Path
from policies.manifests.reading import read_documents

__all__ = ["Document", "Path", "Unreadable", "read_documents"]
