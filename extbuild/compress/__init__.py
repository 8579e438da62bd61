"""Making a model smaller: passes under a contract that a runner checks."""
