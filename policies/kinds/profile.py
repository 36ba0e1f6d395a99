"""ClusterProfile: what the operator declares about the cluster and its surroundings. Facts rest on it."""

from typing import Annotated, ClassVar, Literal

from annotated_types import Len
from pydantic import Field

from policies.kinds.part import Part, Rule, some_of
from policies.kinds.resource import Column, Registration, Resource
from policies.kinds.words import (
    Assurance,
    Country,
    DnsLabel,
    Glob,
    Items,
    LabelName,
    Labels,
    Line,
    Moment,
    ObjectName,
    PlaceCode,
    Text,
    Unique,
    described,
    listed,
    mapped,
    required,
)

RegionCode = Annotated[
    str,
    Text(
        "a region's code as its provider writes it",
        "eu-central-1",
        pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        most=63,
    ),
]
Network = Annotated[
    str,
    Text(
        "a network as its first address and the length of its prefix",
        "10.244.0.0/16",
        pattern=r"^[0-9a-f.:]{2,45}/[0-9]{1,3}$",
        most=49,
    ),
]
Infrastructure = Annotated[
    str,
    Text(
        "a namespace, or `<namespace>/<name>`",
        "kube-system/nvidia-device-plugin",
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$",
        most=317,
    ),
]

AccountName = Annotated[
    str,
    Text(
        "a service account as `<namespace>/<name>`",
        "karpenter/karpenter",
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
        most=317,
    ),
]


ExtraKey = Annotated[
    str,
    Text("a key of a user's `extra`, without spaces", "example.org/site", pattern=r"^[^ \t\n\f\r]+$", most=253),
]


class Provider(Part):
    """A cloud that the cluster has nodes in."""

    name: DnsLabel = required("The provider's name in the region data, for example `aws`.")
    regions: Annotated[Items[RegionCode], Len(0, 128), Unique()] = listed(
        "The regions that the cluster uses; a node that claims to be in another one is in no known place. All regions "
        "that the region data knows, when left out."
    )


class Operator(Part):
    """Who runs a site."""

    name: Line = required("The operator's name.")
    country: Country = required("The country whose law the operator is under.")


class SiteMatch(Part):
    """How nodes of a site are known. What is given must all match; of a list, one item."""

    rules: ClassVar[tuple[Rule, ...]] = (some_of("nodeNames", "providerIDs", "labels", "serials"),)

    node_names: Annotated[Items[Glob], Len(0, 256), Unique()] = listed("Names of nodes; `*` stands for anything.")
    provider_ids: Annotated[Items[Glob], Len(0, 256), Unique()] = listed(
        "`spec.providerID` of nodes; `*` stands for anything.", alias="providerIDs"
    )
    labels: Labels = mapped(
        "Labels and their values. Only labels below `node-restriction.kubernetes.io` prove anything by themselves, "
        "because kubelets can't set those."
    )
    serials: Annotated[Items[Line], Len(0, 4096), Unique()] = listed(
        "Machines, by the UUID that a node says in `status.nodeInfo.systemUUID` (`dmidecode -s system-uuid`)."
    )


class Site(Part):
    """A place of the operator's own: a data centre, a factory, a ship."""

    name: DnsLabel = required("The site's name; it is its place code too.")
    country: Country = required("The country that the site lies in.")
    operator: Operator | None = described("Who runs the site. Unknown, when left out.")
    controlled_from: Annotated[Items[Country], Len(0, 64), Unique()] = listed(
        "Countries from which the operator can be controlled. Unknown, when left out."
    )
    match: SiteMatch | None = described("How nodes of the site are known. None are, when left out.")


class Located(Part):
    """Hosts or registries, and where they are."""

    match: Glob = required("A name; `*` stands for anything.")
    place: PlaceCode = required("Where it is.")


class DeclaredKey(Part):
    """Keys, where they are kept and how well."""

    match: Glob = required("A key's reference; `*` stands for anything.")
    place: PlaceCode = required("Where the key is kept.")
    assurance: Assurance | None = described(
        "How well it is kept, as its keyring declares. As if in `software`, when left out."
    )
    revoked: bool = Field(default=False, description="Whether it must not be used any more.")
    attested: Moment | None = described("When its keyring was last attested.")
    attested_within: Annotated[int, Field(strict=True, ge=1, le=8760)] | None = described(
        "How many hours an attestation counts. When it is older, or there is none, the key is refused. Not asked for, "
        "when left out."
    )


class DeclaredStorageClass(Part):
    """Where the volumes of a storage class are, and under which key."""

    rules: ClassVar[tuple[Rule, ...]] = (some_of("place", "key"),)

    name: ObjectName = required("The StorageClass.")
    place: PlaceCode | None = described("Where its volumes are.")
    key: Line | None = described("The reference of the key that encrypts them.")


class ActorGroup(Part):
    """Where the members of a group of users act from."""

    group: Line = required("The group, as the API server sees it.")
    place: PlaceCode = required("Where its members act from.")


class Actors(Part):
    """Users by their names, their groups or their service accounts. At least one."""

    rules: ClassVar[tuple[Rule, ...]] = (some_of("users", "groups", "serviceAccounts"),)

    users: Annotated[Items[Line], Len(0, 256), Unique()] = listed("Users, as the API server sees them.")
    groups: Annotated[Items[Line], Len(0, 256), Unique()] = listed("Groups, as the API server sees them.")
    service_accounts: Annotated[Items[AccountName], Len(0, 256), Unique()] = listed("Service accounts.")


class Guards(Part):
    """Who may change what is believed. `bailiwick guards` makes native policies of it, which the API server keeps."""

    labeller: AccountName | None = described(
        "The service account that labels nodes. `bailiwick-system/bailiwick`, when left out."
    )
    places: Actors | None = described(
        "Who else may set places on nodes, such as a provisioner. The group `system:masters`, when left out."
    )
    classes: Actors | None = described(
        "Who may set data classes and jurisdictions. The group `system:masters`, when left out."
    )
    infrastructure: Actors | None = described(
        "Who may make infrastructure namespaces. The group `system:masters`, when left out."
    )
    unclassified: Literal["Allow", "Refuse"] | None = described(
        "Whether everybody else may make namespaces without a data class, which the defaults then count for. `Allow`, "
        "when left out."
    )


class ActorExtra(Part):
    """What an authenticator adds about a user, by its key."""

    key: ExtraKey = required("The key in the `extra` of the user.")
    values: Annotated[Items[Line], Len(1, 256), Unique()] = required("The values, of which the user has one.")


class Actor(Part):
    """Who acts from a place. What is given must all match; of a list, one item (of `extra`, every key)."""

    rules: ClassVar[tuple[Rule, ...]] = (some_of("users", "serviceAccounts", "groups", "extra"),)

    name: DnsLabel = required("A name, unique in the profile.")
    place: PlaceCode = required("Where they act from.")
    users: Annotated[Items[Glob], Len(0, 1024), Unique()] = listed(
        "Names of users as the API server sees them; `*` stands for anything."
    )
    service_accounts: Annotated[Items[Glob], Len(0, 1024), Unique()] = listed(
        "Service accounts as `<namespace>/<name>`; `*` stands for anything."
    )
    groups: Annotated[Items[Line], Len(0, 256), Unique()] = listed("Groups, as the API server sees them.")
    extra: Annotated[Items[ActorExtra], Len(0, 16), Unique("key")] = listed(
        "What the authenticator must have added, such as the network or the country that somebody logged in from."
    )


class Defaults(Part):
    """What counts for namespaces without labels."""

    data_class: LabelName | None = described("The data class.")
    jurisdiction: LabelName | None = described("The jurisdiction.")


class ClusterProfileSpec(Part):
    """The cluster, its places, and what stands around it."""

    cluster: LabelName = required("The cluster's name; every record carries it.")
    place: PlaceCode | None = described("Where the control plane is.")
    domain: ObjectName | None = described(
        "The DNS domain of the cluster's services, which lead nowhere outside. `cluster.local`, when left out."
    )
    networks: Annotated[Items[Network], Len(0, 32)] = listed(
        "The networks of this cluster's own pods and services: addresses in them lead nowhere outside."
    )
    providers: Annotated[Items[Provider], Len(0, 32), Unique("name")] = listed(
        "The clouds that the cluster has nodes in."
    )
    sites: Annotated[Items[Site], Len(0, 256), Unique("name")] = listed("Places of the operator's own.")
    hosts: Annotated[Items[Located], Len(0, 1024), Unique("match")] = listed("Where hosts are, by name.")
    registries: Annotated[Items[Located], Len(0, 1024), Unique("match")] = listed("Where registries are, by name.")
    keys: Annotated[Items[DeclaredKey], Len(0, 1024), Unique("match")] = listed("Where keys are kept.")
    storage_classes: Annotated[Items[DeclaredStorageClass], Len(0, 256), Unique("name")] = listed(
        "Where volumes are, and under which key."
    )
    actor_groups: Annotated[Items[ActorGroup], Len(0, 1024), Unique("group")] = listed(
        "Where users act from, by group. Who is in several groups acts from all of their places."
    )
    actors: Annotated[Items[Actor], Len(0, 1024), Unique("name")] = listed(
        "Where users and service accounts act from, by all that the API server knows of them. Whoever several entries "
        "fit acts from all of their places; whoever none fits acts from an unknown place, but for nodes and for "
        "service accounts of pods, which act from where their node is."
    )
    infrastructure_namespaces: Annotated[Items[DnsLabel], Len(0, 256), Unique()] = listed(
        "Namespaces of the cluster's own machinery, which the webhook leaves alone so that the cluster can start."
    )
    trusted_infrastructure: Annotated[Items[Infrastructure], Len(0, 256), Unique()] = listed(
        "What may run beside a tenant on a node of its own: a namespace, or `<namespace>/<name>`."
    )
    guards: Guards | None = described("Who may change places, classes and jurisdictions.")
    defaults: Defaults | None = described("What counts for namespaces without labels.")


class ClusterProfile(Resource):
    """What the operator declares about the cluster."""

    registration: ClassVar[Registration] = Registration(
        plural="clusterprofiles",
        short="cprof",
        summary="A ClusterProfile declares what facts rest on: the cluster's providers and sites, where hosts, "
        "registries, keys and volumes are, and what counts for namespaces without labels.",
        columns=(
            Column("Cluster", ".spec.cluster"),
            Column("Place", ".spec.place"),
            Column("Providers", ".spec.providers[*].name"),
            Column("Sites", ".spec.sites[*].name", wide=True),
        ),
    )

    spec: ClusterProfileSpec = required("The cluster, its places, and what stands around it.")
