"""Tests on the site with settings of their own: they are set once for all of this folder, and taken back after it."""
