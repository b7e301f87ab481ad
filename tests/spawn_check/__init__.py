"""Log in many demo users at once, run a cell in each, and report each step's seconds."""
