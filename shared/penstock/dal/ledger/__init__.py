"""The verbs as SQL: a function of the schema in PostgreSQL, the same steps in order in SQLite."""
