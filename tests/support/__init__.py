"""What the tests stand on: processes, servers, outcomes, schemas."""
