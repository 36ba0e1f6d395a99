"""A log behind HTTP, in the layout of tlog-tiles: `audit.published.Published` over an address."""

from audit.files.layout import CHECKPOINT
from audit.published import NotPublished
from audit.tlog.tiles import ENTRIES, tile_path
from audit.web.client import BODY_LIMIT, BUNDLE_LIMIT, HttpClient, Unreachable


class FarLog:
    """What a log's server shows. Raises Unreachable where `Published` says OSError."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def note(self, name: str = CHECKPOINT) -> bytes:
        return self._get(name, BODY_LIMIT)

    def tile(self, level: int | str, index: int, width: int) -> bytes:
        return self._get(tile_path(level, index, width), BUNDLE_LIMIT if level == ENTRIES else BODY_LIMIT)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _get(self, path: str, limit: int) -> bytes:
        reply = self._client.get(path, limit)
        if reply.status in (404, 410):
            raise NotPublished(f"`{self._client.url}` has no `{path}`")
        if reply.status != 200:
            raise Unreachable(f"`{self._client.url}/{path}` answers with status {reply.status}")
        return reply.body
