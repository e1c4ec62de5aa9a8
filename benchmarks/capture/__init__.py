"""How fast captures are read: traces by both engines, kpageflags against plain reading, page_owner."""
