"""Durable WeChat Official Account mass sends on Temporal."""
