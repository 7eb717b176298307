"""The same service on one machine: the real handlers, fed what AWS would send them. What exists, template.yaml says."""
