"""OpenAI's API on the turns of the chat: responses, conversations and chat completions, for clients that speak it."""
