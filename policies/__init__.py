"""The rules: given a request, a snapshot and a moment, one decision with its reasons, and what makes it again.

Nothing is re-exported: each caller imports what it needs, for a command starts in a third of a second. `engine`
decides, by way of `deciding`, over `facts` in `cel`; `workloads`, `geography` and `native` say what objects are.
`kinds` are the operator's objects, `rulebook` all of them together; `packs` come built in. `store` and `gathering` read
what a command was given, `checking` and `explaining` answer it; `consulted` and `replaying` are for old decisions.
"""
