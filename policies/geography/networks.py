"""The networks of the cluster's own pods and services, as its operator declares them.

Guarantees: an address counts only as it is written for machines: one that programs read in two ways (`010.0.0.1`,
`0x0a000001`) or that stands for another one (`::ffff:10.0.0.1`) is in no network. A network so wide that it can't be a
cluster's is refused.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from policies.json import JsonObject

Network = IPv4Network | IPv6Network
_WIDEST = {4: 8, 6: 32}  # bits of the prefix, by version


class ProfileInvalid(ValueError):
    """The ClusterProfile names something that is not there: correct the field named in the message."""


def networks_of(profile: JsonObject) -> Iterator[Network]:
    """Those of a ClusterProfile's `spec`. Raises ProfileInvalid."""
    for index, text in enumerate(profile.get("networks") or ()):
        at = f"`spec.networks[{index}]`"
        try:
            network = ip_network(text)
        except ValueError as error:
            raise ProfileInvalid(
                f"{at}: `{text}` is no network: write its first address, as in 10.244.0.0/16"
            ) from error
        if network.prefixlen < _WIDEST[network.version]:
            raise ProfileInvalid(
                f"{at}: `{text}` is too wide for one cluster: name the networks of its pods and services"
            )
        yield network


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Whether a host is an address in one of the networks."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks if network.version == found.version)
