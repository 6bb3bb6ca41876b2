"""How somebody shows who they are: secrets, passwords, access tokens, and what slows down those who guess. No HTTP here."""
