"""What happened: the lives of IRPs, sockets, descriptors and registrations."""
