"""What tests share: processes to start, a client of the API, and the guard against the network."""
