"""Gates: what holds back money that wants to leave, for how long, and why."""
