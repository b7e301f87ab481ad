"""The whole site on real machines, used and broken on purpose."""
