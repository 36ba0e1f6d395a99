"""A region's keys in a PKCS#11 module: `assurance: hardware`, as far as the module is. Nothing is imported here."""
