"""Names that lead nowhere outside the cluster: its own services, the pod itself, the node it runs on.

Guarantees: by the name alone, and only where the cluster's own DNS must answer it. A service may stand for something
outside: whoever makes it so is judged where that is made. `owner_of` tells apart what only the cluster can tell.
"""

import re

DOMAIN = "cluster.local"

_LOOPBACK = re.compile(r"localhost|(?:[a-z0-9-]+\.)*localhost|127(?:\.[0-9]{1,3}){3}|0\.0\.0\.0|::1?")
_LINK_LOCAL = re.compile(r"169\.254(?:\.[0-9]{1,3}){2}")  # those of IPv6 are any neighbour's
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_SERVICE = re.compile(r"[a-z_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")  # `0x5db8d822` is an address to many programs
# Last labels that are top-level domains far more likely than namespaces: two-letter ones are all countries'.
_TOP_LEVEL = re.compile(
    "com|org|net|edu|gov|mil|int|info|biz|name|pro|dev|app|cloud|xyz|online|site|tech|store|shop|blog|page|systems"
    "|services|network|solutions|digital|media|agency|company|group|team|tools|software|run|build|engineering|space"
    "|live|world|today|life|zone|global|international|host|website|email|academy|support|center|science|computer"
    "|health|care|bank|finance|capital|fund|money|legal|law|energy|green|eco|bio|art|design|studio|music|video|games"
    "|aws|google|azure|microsoft|amazon|oracle|ibm|sap|goog|youtube|android|gmail|chrome|cern|arpa|prod"
)


# and last labels that names of other networks end in: `db.prod.corp` is as likely theirs as a pod's
_OTHER_NETWORKS = re.compile(
    "internal|corp|lan|local|localdomain|intranet|home|private|consul|mesh|test|example|invalid|onion"
)


def inside(host: str, domain: str = DOMAIN) -> str:
    """What a host (as `host_of` gives it) is inside of the cluster, in words; empty for what may be elsewhere."""
    if _LOOPBACK.fullmatch(host):
        return "is the pod itself"
    if _LINK_LOCAL.fullmatch(host):
        return "is the node itself"
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return ""
    if len(labels) == 1:
        return "is a service of this cluster" if _SERVICE.fullmatch(host) else ""
    if host.endswith((".svc", f".svc.{domain}", f".pod.{domain}")):
        return "is a service of this cluster"
    return ""


def owner_of(host: str) -> str:
    """The namespace that `service.namespace`, or `pod.service.namespace`, may lie in; empty where that can't be meant.

    The cluster's resolver tries it as a service before it asks anybody outside, so it is one where there is such a
    namespace. A last label that is a top-level domain is never taken for one.
    """
    *services, namespace = host.split(".")
    if len(services) not in (1, 2) or not all(_SERVICE.fullmatch(one) for one in services):
        return ""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", namespace) or (
        len(services) == 2 and _OTHER_NETWORKS.fullmatch(namespace)
    ):
        return ""
    return "" if len(namespace) < 3 or namespace.isdigit() or _TOP_LEVEL.fullmatch(namespace) else namespace
