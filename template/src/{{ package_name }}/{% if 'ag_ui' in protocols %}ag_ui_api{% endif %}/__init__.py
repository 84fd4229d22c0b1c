"""AG-UI, the protocol of agents and user interfaces, on the sessions and turns of the chat."""
