"""A region's keyring in files, beside `keymgmt.transit` in a key service and `keymgmt.hardware` in a module."""
