"""What backpropagation did: from the steps of a training to answers about its network and data."""
