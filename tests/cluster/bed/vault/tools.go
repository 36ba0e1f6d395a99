//go:build tools

// Package bed pins Vault, a server for tests: nothing of it is shipped or linked.
package bed

import _ "github.com/hashicorp/vault"
