"""The doors: AdmissionReviews over TLS, judged, recorded and answered.

Nothing is re-exported: a command that needs one of these modules must not pay for the others. `composition` makes the
process out of its parts, by `options`. A review comes in through `serving` (`body`, `doors`) and goes its way in
`reviews` (`review` → `judge` → `recording` → `answer`), with what `cluster` knows, into the `log`, under `keys`.
`labelling` keeps the places of nodes, `replaying` makes old decisions again, `doctor` looks for what is wrong, and
`verbs` are the commands.
"""
