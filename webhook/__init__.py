"""The doors: AdmissionReviews over TLS, judged, recorded and answered.

Nothing is re-exported: a command that needs one of these modules must not pay for the others. The way of a review is
`body` → `review` → `judge` → `recording` → `answer`, behind `doors` and `app`; `server`, `protocol`, `tls_transport`
and `tls` are the process around it.
"""
