"""What makes a lesson honest: sentences that are checked before they are printed."""

from lwlr_teach.teaching.claims import claim

__all__ = ["claim"]
