"""Snapshots that live in the warehouse: it finds out there which rows need a look, and only those come out.

A statement there tells which rows of the model are, value by value, what the snapshot has; it may call equal only
what is equal in canonical form. All others are fetched, with the stored rows that they may concern, and compared by
`tailrace.diff.core` as ever. So what SQL cannot compare costs a fetch, and never a change.
"""
