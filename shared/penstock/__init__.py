"""Penstock: durable jobs, pipelines and scheduled maintenance out of one database, with every step on record."""
