package config

// nodeEntry is an item of nodes, or the value of an override, as it is written.
type nodeEntry struct {
	Node

	name, address         *node
	region                *node
	role, roles, services *node
}

var nodeKeys = table[nodeEntry]{
	key("name", word("a name such as eu-imap-[001-192]"), func(e *nodeEntry) **node { return &e.name }),
	key("address", as("an address, or a list of an IPv4 and an IPv6 one", scalar, list).shown(addressForm), func(e *nodeEntry) **node { return &e.address }),
	key("region", word("the name of a region"), func(e *nodeEntry) **node { return &e.region }),
	key("role", word("the name of a role"), func(e *nodeEntry) **node { return &e.role }),
	key("roles", as("a list of names of roles", list).shown(listForm(nameForm)), func(e *nodeEntry) **node { return &e.roles }),
	key("services", as("all, or a list of names of services", scalar, list).shown(runsForm), func(e *nodeEntry) **node { return &e.services }),
	key("weight", whole(0, maxWeight), func(e *nodeEntry) *int { return &e.Weight }),
	key("weights", mapOf("a mapping from services to weights", whole(0, maxWeight)), func(e *nodeEntry) *map[string]int { return &e.Weights }),
	key("state", adminState, func(e *nodeEntry) *AdminState { return &e.State }),
	key("ports", mapOf("a mapping from services to ports", whole[uint16](1, 65535)), func(e *nodeEntry) *map[string]uint16 { return &e.Ports }),
	key("max_sessions", orNone(whole(1, 100_000_000)), func(e *nodeEntry) *int { return &e.MaxSessions }),
}

// maxWeight keeps sums of weights far from the ends of integers.
const maxWeight = 1_000_000

// overrideKeys are those of a node, which has a name already.
var overrideKeys = nodeKeys[1:]
