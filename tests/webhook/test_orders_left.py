"""What lies among the orders to the log's writer and is none: it is passed over or answered, and the next is done."""

import os
from pathlib import Path

import pytest

from audit.sealed.inputs import Origin
from audit.whole import WholeFiles
from tests.audit.worlds import Clock, open_log
from tests.webhook.test_erasure_verbs import Site
from webhook.log.orders import Clerk, Orders, OrderWithdrawn

HOLD = {"do": "hold", "hold": {"hold": "case-7", "state": "placed", "scope": "all", "basis": "GDPR 17(3)(e)"}}


def _litter(folder: Path) -> None:
    """All that isn't a file of an order's name, and files that aren't orders."""
    folder.mkdir(exist_ok=True)
    (folder / "nowhere.order").symlink_to(folder / "none")
    (folder / "circle.order").symlink_to("circle.order")
    (folder / "zeros.order").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.order")
    (folder / "folder.order").mkdir()
    (folder / "broken.order").write_bytes(b"{")
    (folder / "list.order").write_bytes(b"[1]")
    (folder / "unknown.order").write_bytes(b'{"do":"everything"}')
    (folder / "nothing.order").write_bytes(b"{}")
    (folder / "half.order").write_bytes(b'{"do":"erase","votes":[{}],"action":5}')


class Nobody:
    """A keyring that none of these orders comes to ask."""

    region = jurisdiction = "eu-de"
    approvals = None

    def sealer(self) -> None:
        raise AssertionError("nothing is sealed here")


def test_among_all_that_is_none_an_order_is_done(tmp_path: Path) -> None:
    """Each file is answered, with the reason where it asks for nothing; pipes and links are left alone."""
    orders = Orders(tmp_path / "orders")
    _litter(orders.folder)
    name = orders.put(HOLD)
    log = open_log(tmp_path / "log")
    clerk = Clerk(log, WholeFiles(tmp_path / "log"), Origin("prod-7", "eu-de", "0.1.0"), Nobody(), Clock())
    clerk.attend(orders)
    log.close_now()
    assert (orders.answered(name) or {}).get("leaves") == [2]
    for other in ("broken", "list", "unknown", "nothing", "half"):
        assert (orders.answered(other) or {}).get("error"), other
    assert orders.waiting() == []


def test_an_order_that_is_withdrawn_leaves_nothing(tmp_path: Path) -> None:
    """Whoever waited too long takes the order back; who was about to read it writes no answer for nobody."""
    orders = Orders(tmp_path / "orders")
    name = orders.put(HOLD)
    orders.withdraw(name)
    with pytest.raises(OrderWithdrawn):
        orders.order(name)
    assert orders.waiting() == []
    assert list(orders.folder.iterdir()) == []


def test_a_running_webhook_goes_on_carrying_out_orders(tmp_path: Path) -> None:
    """With all that among its orders, a legal hold is placed within the usual time, and lifted again."""
    site = Site(tmp_path / "state")
    site.make()
    process = site.webhook()
    try:
        process.ready()
        _litter(site.state / "orders")
        told = [site.run("hold", "case-7", "--basis", "GDPR 17(3)(e)", "--wait", "15")]
        told.append(site.run("hold", "case-7", "--lift", "--basis", "closed", "--wait", "15"))
    finally:
        assert process.stop() == 0, process.written()
    assert [leaf["state"] for leaf in site.records("hold")] == ["placed", "lifted"], told
    assert site.holds()
