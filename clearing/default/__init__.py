"""What happens when a member cannot pay: who bears the loss, in which order, and how it ends."""
