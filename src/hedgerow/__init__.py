"""Hedgerow: a self-hosted AWS IoT Greengrass (Version 1). ARCHITECTURE.md is the map."""

__version__ = "0.1.0"
