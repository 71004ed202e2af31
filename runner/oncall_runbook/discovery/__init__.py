"""What is found on hosts that no inventory describes yet."""
