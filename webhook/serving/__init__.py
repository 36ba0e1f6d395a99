"""The process around the doors: HTTP and TLS with a limit on everything, probes, metrics, certificates."""
