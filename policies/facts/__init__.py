"""Facts: what policies can ask about a request, typed, computed when first touched, shared by all policies."""
