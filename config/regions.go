package config

import "slices"

// defaultRegion is the one region of a topology that names none.
const defaultRegion = "default"

func (b *builder) buildRegions() {
	b.regionNodes = make(map[string]*node)
	if b.document.regions != nil {
		for _, p := range b.bounded(b.document.regions, "regions") {
			b.buildRegion(p)
		}
	}
	if len(b.Regions) == 0 {
		if b.document.regions != nil && len(b.document.regions.pairs) == 0 {
			b.errorf(b.document.regions.position, "regions names no region: leave it out where there is one place only")
		}
		b.Regions = []*Region{{Name: defaultRegion}}
	}
	b.regionNames = regionNames(b.Regions)
	b.checkPins()
	b.checkFailover()
	b.chooseRegion()
}

func regionNames(regions []*Region) []string {
	names := make([]string, len(regions))
	for i, r := range regions {
		names[i] = r.Name
	}
	return names
}

func (b *builder) buildRegion(p pair) {
	r := &Region{Name: p.key.text}
	s := b.loader.about("region %q", r.Name)
	if !validName(r.Name) {
		s.errorf(p.key.position, nameRule)
	}
	s.key = "region"
	if p.value.shape != mapping {
		s.wants(p.value, "a mapping of keys")
	} else {
		s.key = ""
		regionKeys.read(s, r, p.value)
	}
	if r.Reach == ReachBalancers && len(r.Addresses) == 0 {
		s.errorf(s.seen["reach"], "reach: balancers needs the addresses of the region's balancers")
	}
	b.Regions = append(b.Regions, r)
	b.regionNodes[r.Name] = p.value
}

// maxNames bounds what is compared with each other: regions, and services.
const maxNames = 256

func (b *builder) bounded(n *node, what string) []pair {
	if len(n.pairs) > maxNames {
		b.errorf(n.pairs[maxNames].key.position, "more than %d %s", maxNames, what)
		return n.pairs[:maxNames]
	}
	return n.pairs
}

const nameRule = `a name is of letters, digits, "-", "_" and ".", and begins with neither "-" nor "."`

func (b *builder) checkFailover() {
	for _, r := range b.Regions {
		failover := b.regionNodes[r.Name].get("failover")
		if failover == nil {
			continue
		}
		s := b.loader.about("region %q", r.Name)
		for _, n := range failover.items {
			switch {
			case n.text == r.Name:
				s.errorf(n.position, "failover names the region itself")
			case n.shape == scalar && validName(n.text) && !slices.Contains(b.regionNames, n.text):
				s.errorf(n.position, "failover: no region %q%s", n.text, b.suggest(n.text, b.regionNames))
			}
		}
	}
}

// chooseRegion settles where this balancer stands: as told, else as the file says, else the only one.
func (b *builder) chooseRegion() {
	b.Region = b.regionNames[0]
	if n := b.document.region; n != nil {
		b.namedRegion(n.text, "region", n.position)
	}
	if o := b.options.Region; o != "" {
		b.namedRegion(o, "the region of this balancer", b.top)
		return
	}
	if b.document.region == nil && len(b.Regions) > 1 {
		b.missing(b.top, "several regions and no word in which of them this balancer stands: name it with --region, POSTHOUSE_REGION or the key region (%q is assumed)", b.Region)
	}
}

func (b *builder) namedRegion(name, what string, at position) {
	if !slices.Contains(b.regionNames, name) {
		b.errorf(at, "%s: no region %q%s", what, shortened(name), b.suggest(name, b.regionNames))
		return
	}
	b.Region = name
}
