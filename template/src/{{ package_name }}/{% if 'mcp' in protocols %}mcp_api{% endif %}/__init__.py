"""The agent as a server of the Model Context Protocol, at `/mcp`, on the turns of the chat."""
