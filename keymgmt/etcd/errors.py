"""What can go wrong while etcd is read, one class for each thing that one can do about it."""


class EtcdError(Exception):
    """Any failure of this package. `hint` says what to do next."""

    hint = ""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.hint


class SnapshotInvalid(EtcdError):
    """The file is no snapshot of etcd, or it is damaged."""

    hint = "take a new one with `etcdctl snapshot save FILE`, or copy `member/snap/db` of a member that is stopped"


class EtcdUnavailable(EtcdError):
    """etcd did not answer as it should."""

    hint = "check the endpoint and the client certificate; etcd's HTTP gateway must not be disabled"


class ConfigurationInvalid(EtcdError):
    """The file is no EncryptionConfiguration."""

    hint = "give the file that kube-apiserver has as --encryption-provider-config"
