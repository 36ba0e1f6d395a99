//go:build tools

// Package bed pins Vault's Kubernetes login, which is a plugin of its own.
package bed

import _ "github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes"
