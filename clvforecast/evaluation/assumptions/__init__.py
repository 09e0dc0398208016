"""What the models assume of an order log, each assumption beside the check of it."""
