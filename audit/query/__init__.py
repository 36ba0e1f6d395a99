"""Finding records: an index derived from the leaves, which lies beside the log and may be thrown away at any time."""

from audit.query.asking import Answer, ask
from audit.query.index import Index, IndexUnwritable
from audit.query.rows import leaves_at
from audit.query.search import Found, Question, search
from audit.query.terms import COLUMNS

__all__ = ["COLUMNS", "Answer", "Found", "Index", "IndexUnwritable", "Question", "ask", "leaves_at", "search"]
