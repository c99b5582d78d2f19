"""How mass sends, accounts and lists look to people: pure functions from models to what `rich` prints."""
