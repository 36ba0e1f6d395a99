//go:build tools

// Package bed pins Tessera's log checker and its one-shot writer, the strangers that read and write logs in our format.
package bed

import (
	_ "github.com/transparency-dev/tessera/cmd/examples/posix-oneshot"
	_ "github.com/transparency-dev/tessera/cmd/fsck"
)
