"""Tables and named queries; nothing above this package sees a row."""
