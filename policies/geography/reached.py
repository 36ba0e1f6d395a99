"""Where a destination that an object names is: a host, a bucket, a region of a provider, a member cluster, an address.

Guarantees: from the destination, the ClusterProfile and the data alone; what has no one known place has none, and says
what to declare. What only the cluster can tell (a location of Velero's, a namespace) is left to the caller.
"""

import re

from policies.geography.geography import Geography
from policies.geography.hosts import host_of, place_of_host, place_of_registry
from policies.geography.keys import place_of_key
from policies.geography.located import Located
from policies.geography.machines import FAILURE_DOMAIN, OWN_MACHINES, place_of_machines
from policies.geography.place import Place
from policies.geography.storage import place_of_bucket
from policies.json import JsonObject

_SCHEMES = {"aws": "s3", "gcp": "gs"}  # how buckets of a provider are referred to; others by the provider's name
_BUCKETS = {"s3": "aws", "s3a": "aws", "s3n": "aws", "minio": "aws", "gs": "gcp", "gcs": "gcp"}
_BUCKETS |= {
    "oss": "alibaba",
    "cos": "tencent",
    "cosn": "tencent",
    "obs": "huawei",
    "tos": "volcengine",
    "bos": "baidu",
}
_BUCKETS |= {"az": "azure", "wasb": "azure", "wasbs": "azure", "abfs": "azure", "abfss": "azure"}
_HERE = ("pvc", "local", "file", "hostpath", "unix")  # a claim of the namespace, a disk of the node
_VARIANTS = {"aws": ("aws", "aws-cn", "aws-us-gov", "aws-eusc"), "azure": ("azure", "azure-cn")}
_HUBS = {"hf": "huggingface.co", "huggingface": "huggingface.co", "modelscope": "modelscope.cn", "ms": "modelscope.cn"}
_HUBS |= {"ngc": "api.ngc.nvidia.com", "ollama": "registry.ollama.ai"}
_NETWORK = re.compile(  # schemes whose authority is a host, so that a bare name is a service
    "https?|grpcs?|tcp|udp|tls|wss?|rediss?|amqps?|mqtt|nats|kafka|postgres|postgresql|mysql|mariadb|mongodb|clickhouse"
    "|elasticsearch|opensearch|milvus|qdrant|bolt|neo4j|ldaps?|smtps?|ftps?|sftp|ssh|nfs|smb|cifs|rsync|hdfs|webhdfs"
    "|ceph|iscsi|otlp|statsd|zipkin|memcached|lm|oci|docker|glusterfs|etcd|zk"
)
_THIS = ("in-cluster",)  # what Argo CD calls the cluster that it runs in


def place_of_destination(destination: JsonObject, geography: Geography) -> Located:
    """`destination` as `policies.workloads` gives it."""
    kind, host, provider = destination["kind"], destination["host"], destination["provider"].removeprefix("velero.io/")
    if kind == "open":
        return Located(None, "it leads wherever its callers like: name the hosts that it may lead to")
    if kind == "cluster":
        return _cluster(host or destination["cluster"], geography)
    if kind == "nodes":
        return _machines(destination["cluster"], host, provider, destination["region"], geography)
    if kind == "volume":
        return Located(
            None,
            f"nothing says where volume `{destination['bucket']}` of {provider} is: use a claim of a declared class",
        )
    if kind == "store":
        return place_of_key(destination["bucket"], geography)
    if bucket := destination["bucket"]:
        return _bucket(bucket, provider, destination["region"], host, geography)
    if destination["region"]:
        return place_of_bucket(geography, provider=provider, region=destination["region"], endpoint=host)
    if not host and provider in geography.regions.providers:
        return Located(None, f"nothing says in which region of `{provider}` it is: state it")
    if not host:
        return Located(
            None, f"nothing says where `{provider or kind}` is: state a host, and declare it in `spec.hosts`"
        )
    return _address(host, destination["what"], geography)


def _cluster(name: str, geography: Geography) -> Located:
    if name == "*":
        return Located(None, "it may be any cluster: name the clusters, and declare them in `spec.hosts`")
    if name in _THIS:
        return Located(None, f"`{name}` is this cluster", inside=True)
    found = place_of_host(name, geography)
    if found.place or "." in host_of(name):
        return found
    return Located(None, f"nothing says where cluster `{name}` is: declare it in `spec.hosts` of the ClusterProfile")


def _machines(code: str, host: str, provider: str, region: str, geography: Geography) -> Located:
    """Where machines would be made: by a cloud, or by what makes them at sites of the operator's own."""
    if provider in OWN_MACHINES:
        return place_of_machines(provider, host, region, geography)
    found = _nodes(code, provider, region, geography)
    if provider or code or found.place or found.inside or not region:
        return found
    declared = place_of_machines(FAILURE_DOMAIN, region, "", geography)
    return declared if declared.place else Located(None, f"{found.because}; {declared.because}")


def _nodes(code: str, provider: str, region: str, geography: Geography) -> Located:
    """Where machines would be made: a place by its code, a region or zone, or both where they agree."""
    if not code and not region:
        return Located(None, "it may make nodes in any zone: require `topology.kubernetes.io/region` or `/zone`")
    if region.isdigit() and not code:
        return Located(None, f"it is zone {region} of its cluster's region", inside=True)
    labelled = geography.by_code(code) if code else None
    if region and not region.isdigit():
        names = _VARIANTS.get(provider, (provider,)) if provider else geography.providers()
        found = {_of_provider(name, region, geography) for name in names} - {None}
    else:
        found = {labelled} - {None}
    if labelled is not None and found and labelled not in found:
        return Located(None, f"it would make nodes in `{region}` and label them `{code}`")
    if len(found) != 1:
        return Located(None, f"`{region or code}` is no one place where this cluster may have nodes")
    return Located(found.pop(), f"it would make nodes in `{region or code}`")


def _of_provider(provider: str, region: str, geography: Geography) -> Place | None:
    return geography.place(provider, region) or geography.regions.place_of_zone(provider, region)


def _bucket(bucket: str, provider: str, region: str, endpoint: str, geography: Geography) -> Located:
    scheme, found, _ = bucket.partition("://")
    if found and scheme.lower() not in _BUCKETS and scheme != provider:
        return _address(bucket, "data", geography)
    provider = provider or _BUCKETS.get(scheme, scheme if found else "")
    reference = bucket if found else f"{_SCHEMES.get(provider, provider)}://{bucket}"
    return place_of_bucket(geography, reference=reference, provider=provider, region=region, endpoint=endpoint)


def _address(address: str, what: str, geography: Geography) -> Located:
    scheme, found, _ = address.partition("://")
    scheme = scheme.lower() if found else ""
    if scheme in _HERE:
        return Located(None, f"`{scheme}` is a disk of this cluster", inside=True)
    if scheme in _BUCKETS:
        return _bucket(address, "", "", "", geography)
    if scheme in _HUBS:
        hub = place_of_host(address, geography)
        return hub if hub.place else place_of_host(_HUBS[scheme], geography)
    registry = place_of_registry(address, geography) if what == "images" else None
    place = registry if registry and registry.place else place_of_host(address, geography)
    if place.place is None and (entry := geography.declared_for("keys", address)):  # a key service is one host or more
        return Located(geography.by_code(entry["place"]), f"the ClusterProfile declares `{entry['match']}`")
    if place.inside and scheme and not _NETWORK.fullmatch(scheme) and "." not in host_of(address):
        return Located(None, f"`{scheme}` is no scheme of hosts that is known: declare `{address}` in `spec.hosts`")
    return place
