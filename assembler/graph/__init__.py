"""What reaches what: nodes are paths of a tree, edges carry the evidence, and the closure follows them."""
