"""Command lines: their words, the flags that programs know, the scripts that shells run."""
