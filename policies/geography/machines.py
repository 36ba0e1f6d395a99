"""Machines that are made at sites of the operator's own: by vSphere, OpenStack, Nutanix, in failure domains.

What such a thing is called (a data centre, a region, a cluster, a failure domain) is nobody's but the operator's, so it
is where the ClusterProfile's `hosts` say: `vsphere://<server>/<data centre>`, `openstack://<cloud>/<region>`,
`nutanix:///<cluster>`, `failure-domain://<name>`. Guarantees: a name of one of these never counts as a host's of the
same spelling; only vSphere's server is a host, and then all that it manages is where that is declared.
"""

import re

from policies.geography.geography import Geography
from policies.geography.globs import glob_fits
from policies.geography.hosts import declared_host
from policies.geography.located import Located

OWN_MACHINES = ("vsphere", "openstack", "nutanix")
FAILURE_DOMAIN = "failure-domain"

_NAME = re.compile(r"[A-Za-z0-9_.:\[\] -]*")  # of a server, a cloud: nothing that ends or moves it


def place_of_machines(maker: str, server: str, below: str, geography: Geography) -> Located:
    """`server` as the maker is reached or called, `below` what it makes them in; either may be left out."""
    reference = f"{maker}://{server}" + (f"/{below.lstrip('/')}" if below or maker != FAILURE_DOMAIN else "")
    if not _NAME.fullmatch(server) or ".." in below or "%" in below:
        return Located(None, f"`{reference}` may be read in two ways: rename it")
    entries = [one for one in geography.declarations("hosts") if one["match"].startswith(f"{maker}://")]
    entry = next((one for one in entries if glob_fits(one["match"], reference)), None)
    if entry is None and maker == "vsphere" and server:
        entry = declared_host(server, geography, "hosts")
    if entry is None:
        return Located(None, f"nothing says where `{reference}` is: declare it in `spec.hosts` of the ClusterProfile")
    return Located(geography.by_code(entry["place"]), f"the ClusterProfile declares `{entry['match']}`")
