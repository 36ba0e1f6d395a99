"""Verification, offline: what `audit verify` checks, each kind of check a module, all of them in `verify`."""
