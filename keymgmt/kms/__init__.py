"""The Kubernetes KMS v2 plugin: etcd encrypted under the region's key.

Pure: `annotations`, `serving`, `reasons`, `service`. At the rim: `watch` (the keyring), `memory` (what was seen),
`endpoint` (the socket), `server` (gRPC), `probes` (HTTP). Nothing is imported here: gRPC is an extra.
"""
