"""How the engine comes to a decision: compiled policies, which of them concern a request, corrections, judgement."""
