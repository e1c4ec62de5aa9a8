"""How KVM takes a pfn from the host: fault policies, actors, invariants, exploration (floor 2; may import `memory`, `kernel`)."""
