"""The generated messages are what the .proto gives, and the .proto is the interface kube-apiserver has."""

from __future__ import annotations

from pathlib import Path

import pytest

from keymgmt.kms import compile as messages
from keymgmt.kms.api_pb2 import DESCRIPTOR


def test_generated_files_are_current() -> None:
    """protoc gives today what is checked in."""
    messages.check()


def test_stale_files_are_noticed(tmp_path: Path) -> None:
    """A changed, or a missing, generated file fails the check; writing makes it good again."""
    with pytest.raises(messages.MessagesStale):
        messages.check(tmp_path)
    messages.write(tmp_path)
    messages.check(tmp_path)
    (tmp_path / "api_pb2.py").write_text("# changed\n")
    with pytest.raises(messages.MessagesStale, match=r"api_pb2\.py"):
        messages.check(tmp_path)


def test_fields_have_the_interfaces_numbers() -> None:
    """Names, numbers and the method path that grpc-go uses."""
    found = {
        (message.name, field.name): field.number
        for message in DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
    }
    assert found == {
        ("StatusResponse", "version"): 1,
        ("StatusResponse", "healthz"): 2,
        ("StatusResponse", "key_id"): 3,
        ("DecryptRequest", "ciphertext"): 1,
        ("DecryptRequest", "uid"): 2,
        ("DecryptRequest", "key_id"): 3,
        ("DecryptRequest", "annotations"): 4,
        ("DecryptResponse", "plaintext"): 1,
        ("EncryptRequest", "plaintext"): 1,
        ("EncryptRequest", "uid"): 2,
        ("EncryptResponse", "ciphertext"): 1,
        ("EncryptResponse", "key_id"): 2,
        ("EncryptResponse", "annotations"): 3,
    }
    assert DESCRIPTOR.services_by_name["KeyManagementService"].full_name == "v2.KeyManagementService"
