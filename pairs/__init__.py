"""What a pair is and where pairs are kept. Imports nothing else of prefmill."""
