"""Audiences of any size: read, combined, and cut into batches that stand in a store."""
