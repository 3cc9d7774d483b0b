"""Everything durable, behind the `Store` port of `dialerd.ports`.

SQL is built once from SQLAlchemy Core (`tables`, `encode`, `queries`), so that every database runs the same
statements. `sqlite` is the store that the daemon uses. Nothing here decides about calls or campaigns.
"""
