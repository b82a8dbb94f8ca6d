"""What an attacker tries, one file a threat; each test fails where the attack works."""
