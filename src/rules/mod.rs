//! Matchers over facts, the same everywhere: domains, networks, recipients.
