"""The record of incidents: store, timeline, escalation, outbox, review."""
