"""What an adversary would try, one file a threat: each test makes the attempt and sees it fail."""
