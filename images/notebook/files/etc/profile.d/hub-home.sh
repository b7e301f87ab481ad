# Said once by each terminal of a session whose home was full when it started (hub_home.py).
[ -z "$HUB_HOME_FULL" ] || echo "$HUB_HOME_FULL" >&2
