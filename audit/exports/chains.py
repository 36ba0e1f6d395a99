"""The chains of the tenants in an export: each tenant's counter without a gap, each record naming the one before.

It is what shows to one tenant that nothing of theirs is missing between two records, without a word about anybody else.
"""

from dataclasses import dataclass, field

from audit.exports.selection import tenant_of
from audit.reading import LoggedRecord

_MOST = 20


@dataclass(slots=True)
class Chain:
    """The records of one tenant so far."""

    first: int
    last: int
    hash: bytes
    gaps: int = 0

    def add(self, seq: int, previous: str, digest: bytes) -> None:
        """The tenant's next record."""
        if seq != self.last + 1 or previous != self.hash.hex():
            self.gaps += 1
        self.last, self.hash = seq, digest


@dataclass(slots=True)
class Chains:
    """One chain for each tenant's tag."""

    by_tenant: dict[str, Chain] = field(default_factory=dict)

    def add(self, record: LoggedRecord) -> None:
        """Take in a record; those of no tenant have no chain."""
        tenant = tenant_of(record.fields)
        link = record.fields.get("written", {}).get("tenant")
        if not tenant or link is None:
            return
        known = self.by_tenant.get(tenant)
        if known is None:
            self.by_tenant[tenant] = Chain(link["seq"], link["seq"], record.hash)
        else:
            known.add(link["seq"], link.get("prev", ""), record.hash)

    def said(self) -> list[str]:
        """A sentence for each tenant."""
        lines = [_said(tenant, chain) for tenant, chain in list(self.by_tenant.items())[:_MOST]]
        left = len(self.by_tenant) - len(lines)
        return [*lines, f"{left} further tenants are left out here."] if left else lines

    def plain(self) -> dict[str, dict[str, int]]:
        """For a manifest."""
        return {
            tenant: {"first": chain.first, "gaps": chain.gaps, "last": chain.last}
            for tenant, chain in sorted(self.by_tenant.items())
        }


def _said(tenant: str, chain: Chain) -> str:
    whole = "each naming the one before: none is missing between them"
    found = whole if not chain.gaps else f"with {chain.gaps:,} gaps that this selection leaves, or that are missing"
    return f"Tenant {tenant}: records number {chain.first:,} to {chain.last:,} of its own count, {found}."
