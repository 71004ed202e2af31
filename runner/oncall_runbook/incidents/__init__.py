"""The incident record: what people do around an incident, kept in a store that a team can share."""
