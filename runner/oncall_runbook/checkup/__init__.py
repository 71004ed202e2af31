"""What is looked at before an incident: this machine, the hosts, and who would be told."""
