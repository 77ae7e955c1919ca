"""The lecture's claims, each as one experiment: what differs, trained otherwise alike, and told."""
