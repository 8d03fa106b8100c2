"""Tables against peers and floors; ``make bench`` runs them all."""
