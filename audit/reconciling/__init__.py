"""Our records against kube-apiserver's own audit log."""
