"""What lies in etcd, and under whose key: read without any key, from a snapshot file or a live etcd.

`bolt` and `snapshot` read files, `live` asks an etcd; `registry`, `values` and `coverage` say what a key, a value and
an EncryptionConfiguration mean; `survey` puts it together.
"""

from keymgmt.etcd.coverage import Coverage
from keymgmt.etcd.errors import ConfigurationInvalid, EtcdError, EtcdUnavailable, SnapshotInvalid
from keymgmt.etcd.registry import Located, located
from keymgmt.etcd.survey import Expected, Group, Problem, Survey, survey
from keymgmt.etcd.values import Plain, Sealed, Unreadable, parse_value

__all__ = [
    "ConfigurationInvalid",
    "Coverage",
    "EtcdError",
    "EtcdUnavailable",
    "Expected",
    "Group",
    "Located",
    "Plain",
    "Problem",
    "Sealed",
    "SnapshotInvalid",
    "Survey",
    "Unreadable",
    "located",
    "parse_value",
    "survey",
]
