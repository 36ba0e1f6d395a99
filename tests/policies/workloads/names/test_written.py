"""Hosts that are written without a scheme, and what only resembles one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.workloads.names.written import is_ipv6, plain_hosts


def hosts(text, name=""):
    return list(plain_hosts(name, text, lambda name: name.lower().rpartition(".")[2] in ("host", "endpoint", "server")))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("evil.com:443", "evil.com:443"),
        ("8.8.8.8:443", "8.8.8.8:443"),
        ("TCP:evil.com:443", "evil.com:443"),
        ("user:pw@tcp(db.evil.com:3306)/x", "db.evil.com:3306"),
        ('{"kv_ip":"8.8.8.8"}', "8.8.8.8"),
        ('{"endpoint":"evil.com","port":443}', "evil.com"),
        ("host=db.evil.com user=x", "db.evil.com"),
        ("Server=tcp:db.evil.com,1433", "db.evil.com"),
        ("AccountName=evil;AccountKey=x;EndpointSuffix=core.windows.net", "evil.blob.core.windows.net"),
        ("[2001:4860:4860::8888]:443", "[2001:4860:4860::8888]"),
        ("2001:4860:4860::8888", "2001:4860:4860::8888"),
        ("-Dhttps.proxy.host=p.evil.com -Dx=y", "p.evil.com"),
        ("ipv4:8.8.8.8:443", "8.8.8.8:443"),
        ("jdbc:sqlserver://;serverName=db.evil.com;databaseName=x", "db.evil.com"),
        ("connect(('10.200.0.2', 8080))", "10.200.0.2"),
    ],
)
def test_hosts_as_they_are_written(text, host):
    """A port, an address, or the name of a member tells a host."""
    assert hosts(text) == [host]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("model.py", "target"),
        ("model.py:12", ""),
        ("config.yaml", ""),
        ("/etc/app/config.yaml:12", ""),
        ("vllm.entrypoints.openai.api_server", "m"),
        ("app.main:app", ""),
        ("ghcr.io/org/tool.x:1.2.3", ""),
        ("registry.example.com:5000/team/tool:1", "image"),
        ("550.54.15.1", "driver-version"),
        ("10.96.0.0/12", ""),
        ("10.0.0.1:80", "listen-address"),
        ("x[self.at:10]", "c"),
        ("aa:bb:cc:dd:ee:ff", ""),
        ("0000:3b:00.0", ""),
        ("12:30:59", ""),
        ("redis:6379", ""),
        ("1.5", ""),
    ],
)
def test_what_only_resembles_a_host(text, name):
    """Files, modules, images, versions, networks, times and names without a dot are none."""
    assert hosts(text, name) == []


@given(st.text(alphabet="a1.:[]{}=\"' ,;@/-", max_size=200))
def test_any_text_gets_an_answer(text):
    """Nothing raises, and what is found stands in the text."""
    assert all(host in text for host in hosts(text))


@given(st.ip_addresses(v=6))
def test_every_address_of_ipv6_is_one(address):
    """Short and long."""
    assert is_ipv6(str(address))
    assert is_ipv6(address.exploded)
    assert hosts(f"--x=[{address}]:80") == [f"[{address}]"]
