"""The only room that speaks SQL: one transaction, one ledger, one file of verbs per noun, and views that read."""
