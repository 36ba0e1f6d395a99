"""Globs as a ClusterProfile writes them: `*` stands for anything, every other character for itself."""


def glob_fits(glob: str, text: str) -> bool:
    """Does it fit the whole text? In time proportional to both, however many stars there are."""
    head, *rest = glob.split("*")
    if not rest:
        return head == text
    tail = rest.pop()
    at, end = len(head), len(text) - len(tail)
    if at > end or not (text.startswith(head) and text.endswith(tail)):
        return False
    for part in rest:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
