//go:build tools

// Package bed pins kwok, which plays the nodes and kubelets of the cluster tests.
package bed

import _ "sigs.k8s.io/kwok/cmd/kwok"
