"""The text that lies on top of an evidence pack. Pure, the same for the same log."""

from audit.exports.controls import Tally
from audit.exports.population import Population
from audit.exports.text import shown

_TEXT = """\
EVIDENCE PACK
{warning}
Log         {origin}
Records     {records} of {size} in the log
From        {begin}
To          {end}
Selection   {selection}

To check it, offline, with Python 3.10 or later and the package cryptography:

    python verify.py PACK.zip --key KEY

`verify.py` lies in this pack. Somebody who wants to deceive you would change it too: take it from the software that
you trust (it is the same file for all packs), and KEY from whoever runs the log, not from this pack. The SHA-256 of
MANIFEST.json names the whole pack: whoever tells it to you by another way vouches for every file (--manifest). The same
log gives the same pack, byte for byte, so that it can also be made again and compared.

What lies here

    MANIFEST.json        every file with its SHA-256; MANIFEST.sha256 is that of the manifest
    log/checkpoint       origin, size and root of the log, signed (C2SP tlog-checkpoint)
    log/keys.txt         the keys that verified it (C2SP signed-note verifier keys); log/policy.txt (C2SP tlog-policy)
    log/leaves.ndjson    the records, a line each; the value of "leaf" is byte for byte what was hashed
    log/inclusion        one proof for all of them: the roots of the subtrees beside them, from left to right
    proofs/              single proofs for other tools (C2SP tlog-proof)
    controls.json        which records bear on which control, what they show and what they don't
    oscal/               the same for tools: OSCAL 1.2.1 assessment results and component definition
    reports/             {reports}

The hashes are those of RFC 6962: a record is SHA-256(0x00 || leaf), a node SHA-256(0x01 || left || right).
It is evidence: nothing in it says that a control is met. Of names of people, addresses and objects it holds keyed tags.
"""


def _said(population: Population) -> str:
    return "\n".join(filter(None, (population.warning(), population.remark())))


def readme(population: Population, tally: Tally, *, with_report: bool) -> str:
    """What the pack is, and how to check it."""
    checkpoint, _ = population.signed()
    others = "records.csv (columns.json says what is in it), ocsf.ndjson, kube-audit.ndjson"
    return _TEXT.format(
        warning=f"\n{said}\n" if (said := _said(population)) else "",
        origin=shown(population.origin),
        records=f"{tally.records:,}",
        size=f"{checkpoint.size:,}",
        begin=shown(tally.begin) or "no records",
        end=shown(tally.end) or "no records",
        selection=shown(population.selection.said(), 4000) or "everything",
        reports=f"report.html, which verifies itself; {others}" if with_report else f"{others}; too many for a page",
    )
