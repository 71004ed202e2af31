"""Cards, the kinds of trouble that are known: found, read, checked, begun and tried."""
