"""Values every layer speaks in: resources, outcomes, references, instants, entity tags and write plans. No I/O."""
