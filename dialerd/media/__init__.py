"""Audio of the calls: worker processes that carry it, and the daemon's side of them."""
