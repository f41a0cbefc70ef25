"""Measurements that `make bench` takes. They are not part of the product."""
