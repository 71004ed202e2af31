"""The templates of pages and messages."""
