# What the plugin's role may do in the region's Vault or OpenBao: see the key, and open with it. Sealing needs nothing.
path "transit/keys/etcd" {
  capabilities = ["read"]
}
path "transit/decrypt/etcd" {
  capabilities = ["update"]
}
