package relay

import "testing"

// FuzzSecure plays a script to a session of the engine with TLS on one side or both, and to a plain one without. What both ends get to see
// inside TLS is the same. The first byte says which sides have TLS, the others are steps as in FuzzSession.
func FuzzSecure(f *testing.F) {
	for i := range byte(len(dressings)) {
		f.Add([]byte{i, 0, 1, 0, 1, 2, 3})             // lines each way, the client ends first
		f.Add([]byte{i, 0x39, 0x39, 0x38, 0x38, 3, 2}) // bulk each way, the node ends first
		f.Add([]byte{i, 0x29, 0x28, 2, 1, 5})          // the client ends, the node goes on and resets
		f.Add([]byte{i, 0x29, 3, 0, 0x38, 4})          // the node ends, the client goes on and resets
		f.Add([]byte{i, 0x31, 0x11, 6})                // closed by us
		f.Add([]byte{i, 0x21, 0x21, 0x21, 0x3f, 2})    // both at once, of bulk; one end does not hear before it was heard
	}
	engine, kept := forms(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 {
			return
		}
		d := dressings[int(script[0])%len(dressings)]
		script = script[1:min(len(script), 13)]
		want := perform(t, kept, script, nil)
		got := perform(t, engine, script, func(p *Pair, ends *[2]end) { dress(t, p, ends, d.client, d.node, d.version) })
		if got != want {
			t.Errorf("script %x, TLS %+v\nengine:\n%splain:\n%s", script, d, got, want)
		}
	})
}
