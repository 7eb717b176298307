"""The command line: thin words over the verbs, views and handlers."""
