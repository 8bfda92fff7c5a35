"""The vocabulary of Winsock Kernel and the way from decoded events to operations."""
