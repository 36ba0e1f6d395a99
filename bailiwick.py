"""The `bailiwick` command, and the composition root: settings -> parts -> app."""


def main() -> None:
    raise SystemExit("bailiwick: no verbs yet")
