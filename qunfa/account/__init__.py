"""The account: who may submit and when, and whose a push is. Pure: a state, a message and a time give a state."""
