"""Tables: what lies in data/raw and data/validated, and the task found from a target."""
