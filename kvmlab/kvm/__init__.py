"""How KVM takes a pfn from the host: policies, actors, invariants, exploration (floor 2; uses `memory`, `kernel`)."""
